/** What may be spent on calls: by whom, for what, and in which windows of time. */
import type { Cost } from '../std/std.ts'

/** Whose calls are added up: each agent's, each type's, each upstream's, or all. */
export type BudgetOwner = 'agent' | 'type' | 'upstream' | 'swarm'

export interface Budget {
  readonly name: string
  readonly per: BudgetOwner
  /** Calls of another currency are not counted. */
  readonly spend: Cost
  /** Length of a window; windows begin at whole multiples of it since 1970 UTC, so a day's at midnight UTC. */
  readonly everyMs: number
  /** Share of `spend` at which people are warned, in (0, 1]. */
  readonly warn: number
  /** Agent types whose calls count; empty = all, also calls of nobody. */
  readonly types: readonly string[]
  /** Empty = all. */
  readonly upstreams: readonly string[]
}
