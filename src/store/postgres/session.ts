/**
 * What a command's SQL function and a query get: statements on a connection, as promises. Texts are ours and few, so
 * that the writer keeps each one prepared under a name; reads are planned anew, for the size of a table decides.
 */
import { chainStart } from '../chain.ts'
import type { Refusal, Result } from '../commands/result.ts'
import { openTallies, type Tallies } from '../tally.ts'
import type { Link } from './link.ts'
import { isRound } from './plans.ts'

export interface ChainHead {
  readonly seq: number
  readonly hash: string
}
export const emptyChain: ChainHead = { seq: 0, hash: chainStart }

export interface Asking {
  /** Runs a statement; gives the number of rows that changed. */
  run(sql: string, ...values: readonly unknown[]): Promise<number>
  one<Row>(sql: string, ...values: readonly unknown[]): Promise<Row | undefined>
  all<Row>(sql: string, ...values: readonly unknown[]): Promise<Row[]>
  /** As `one` and `all`, with every integer as bigint: for amounts and sums of them. */
  oneBig<Row>(sql: string, ...values: readonly unknown[]): Promise<Row | undefined>
  allBig<Row>(sql: string, ...values: readonly unknown[]): Promise<Row[]>
}

export interface Session extends Asking {
  /** Last audit entry; set by audit.append, put back when its list is rolled back. */
  head: ChainHead
  /** What changed in the counts by state, written with the turn (tally.ts). */
  readonly tallies: Tallies
}

type Ask = Link['ask']

const asking = (ask: Ask, name: (sql: string) => string | undefined): Asking => ({
  run: async (sql, ...values) => (await ask(sql, values, false, name(sql))).count,
  one: async <Row>(sql: string, ...values: readonly unknown[]) =>
    (await ask<Row>(sql, values, false, name(sql))).rows[0],
  all: async <Row>(sql: string, ...values: readonly unknown[]) => (await ask<Row>(sql, values, false, name(sql))).rows,
  oneBig: async <Row>(sql: string, ...values: readonly unknown[]) =>
    (await ask<Row>(sql, values, true, name(sql))).rows[0],
  allBig: async <Row>(sql: string, ...values: readonly unknown[]) =>
    (await ask<Row>(sql, values, true, name(sql))).rows,
})

/** Statements that are planned at each call. */
export const readingWith = (ask: Ask): Asking => asking(ask, () => undefined)

export const writingWith = (link: Link, head: ChainHead): Session => {
  const kept = new Map<string, { readonly number: number; name: string; uses: number }>()
  const name = (sql: string): string => {
    let found = kept.get(sql)
    if (found === undefined) {
      found = { number: kept.size, name: `s${kept.size}`, uses: 0 }
      kept.set(sql, found)
    }
    found.uses += 1
    if (isRound(found.uses)) found.name = `s${found.number}.${found.uses}`
    return found.name
  }
  return { ...asking(link.ask, name), head, tallies: openTallies() }
}

export const done = <Value>(value: Value): Result<Value> => ({ ok: true, value })
export const refuse = (refusal: Refusal, detail: string): { ok: false; refusal: Refusal; detail: string } => ({
  ok: false,
  refusal,
  detail,
})

/** The columns of rows, for `unnest`: one array a column, so that one statement writes any number of rows. */
export const columns = <Row>(rows: readonly Row[], ...cells: readonly ((row: Row) => unknown)[]): unknown[][] =>
  cells.map((cell) => rows.map(cell))

/** A column for `unnest` as the server reads it: less than half the work of letting the library write it. */
export const numbers = <Row>(rows: readonly Row[], cell: (row: Row) => number | null): string =>
  `{${rows.map((row) => cell(row) ?? 'NULL').join(',')}}`

const special = /["\\]/g

export const texts = <Row>(rows: readonly Row[], cell: (row: Row) => string | null): string => {
  const cells = rows.map((row) => {
    const text = cell(row)
    return text === null ? 'NULL' : `"${text.replaceAll(special, String.raw`\$&`)}"`
  })
  return `{${cells.join(',')}}`
}
