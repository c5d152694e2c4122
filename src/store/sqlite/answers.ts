/** What a query answers in this engine: the same as at the port, without the promise. */
import type { Queries } from '../queries.ts'

/** The queries as this engine runs them. */
export type Reads = {
  readonly [Name in keyof Queries]: (...asked: Parameters<Queries[Name]>) => Awaited<ReturnType<Queries[Name]>>
}
