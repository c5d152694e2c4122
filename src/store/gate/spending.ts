/**
 * What was spent, inside gate.db: sums for budgets, and totals by agent and upstream. They are written in the commit of
 * the call's end, so that whatever is killed, each call counts once. Amounts are decimal text of trillionths: sums of
 * them do not fit into 64 bits for every currency.
 */
import type { DatabaseSync } from 'node:sqlite'
import { formatCost } from '../../std/std.ts'
import { mostNotes } from './renewals.ts'
import type { CallSpent, SpentIn, SpentSum } from './rows.ts'

export interface Spending {
  /** Sums of budgets, of all windows that are kept. */
  spentSums(): readonly SpentSum[]
  /** Forgets what no window and no view looks at any more. */
  forgetSpent(nowMs: number): void
}
/** Adds what one call has spent, within a transaction. */
export type AddSpent = (spent: CallSpent) => void

const hourMs = 3_600_000
const dayMs = 86_400_000
/** Longer than the longest window. */
const sumsKeptMs = 62 * dayMs
const hoursKeptMs = 48 * hourMs
const daysKeptMs = 400 * dayMs

const spans = [
  { span: 'hour', lengthMs: hourMs },
  { span: 'day', lengthMs: dayMs },
] as const

const reached = (at: bigint, before: bigint, after: bigint): boolean => before < at && after >= at

interface SumRow {
  readonly window_ms: number
  readonly spent: string
}
interface TotalRow {
  readonly known: string
  readonly counted: string
}

/** Sums of budgets; who reaches a mark is noted, in the same commit and so once. */
const sumsOf = (db: DatabaseSync): ((place: SpentIn, spent: CallSpent) => void) => {
  const get = db.prepare('SELECT window_ms, spent FROM budgets WHERE budget = ? AND owner = ?')
  const put = db.prepare(`INSERT INTO budgets (budget, owner, window_ms, spent) VALUES (?, ?, ?, ?)
    ON CONFLICT (budget, owner) DO UPDATE SET window_ms = excluded.window_ms, spent = excluded.spent`)
  const note = db.prepare('INSERT INTO notes (wall_ms, kind, subject, message) VALUES (?, ?, ?, ?)')
  const prune = db.prepare('DELETE FROM notes WHERE number <= (SELECT MAX(number) FROM notes) - ?')
  return ({ budget, owner, windowMs, endsMs, warnAt, most }, { counted, currency, endedMs }) => {
    const row = get.get(budget, owner) as SumRow | undefined
    // It ended after its window: the newer one has nothing to do with it.
    if (row !== undefined && row.window_ms > windowMs) return
    const before = row?.window_ms === windowMs ? BigInt(row.spent) : 0n
    const after = before + counted
    put.run(budget, owner, windowMs, String(after))
    const told = reached(most, before, after) ? 'spent' : reached(warnAt, before, after) ? 'warned' : undefined
    if (told === undefined) return
    const [has, may] = [after, most].map((pico) => formatCost({ pico, currency }))
    const until = new Date(endsMs).toISOString()
    note.run(endedMs, `budget.${told}`, owner, `${has} of ${may} spent, budget ${budget}, in its window until ${until}`)
    prune.run(mostNotes)
  }
}

const totalsOf = (db: DatabaseSync): AddSpent => {
  const get = db.prepare(`SELECT known, counted FROM costs
    WHERE span = ? AND at_ms = ? AND agent = ? AND upstream = ? AND currency = ?`)
  const put = db.prepare(`INSERT INTO costs (span, at_ms, agent, upstream, currency, known, counted, calls, unknown)
    VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (span, at_ms, agent, upstream, currency) DO UPDATE
    SET known = excluded.known, counted = excluded.counted, calls = calls + 1, unknown = unknown + excluded.unknown`)
  return ({ agent, upstream, currency, atMs, known, counted }) => {
    for (const { span, lengthMs } of spans) {
      const startMs = Math.floor(atMs / lengthMs) * lengthMs
      const key = [span, startMs, agent ?? '', upstream, currency] as const
      const row = get.get(...key) as TotalRow | undefined
      const sum = BigInt(row?.known ?? 0) + (known ?? 0n)
      const all = BigInt(row?.counted ?? 0) + counted
      put.run(...key, String(sum), String(all), known === null ? 1 : 0)
    }
  }
}

export const addSpentOf = (db: DatabaseSync): AddSpent => {
  const [addToSum, addToTotals] = [sumsOf(db), totalsOf(db)]
  return (spent) => {
    for (const place of spent.places) addToSum(place, spent)
    addToTotals(spent)
  }
}

export const spendingOf = (db: DatabaseSync): Spending => ({
  spentSums: () =>
    db
      .prepare('SELECT budget, owner, window_ms AS windowMs, spent FROM budgets')
      .all()
      .map((row) => ({ ...row, spent: BigInt(row['spent'] as string) }) as unknown as SpentSum),
  forgetSpent: (nowMs) => {
    db.prepare('DELETE FROM budgets WHERE window_ms < ?').run(nowMs - sumsKeptMs)
    db.prepare("DELETE FROM costs WHERE span = 'hour' AND at_ms < ?").run(nowMs - hoursKeptMs)
    db.prepare("DELETE FROM costs WHERE span = 'day' AND at_ms < ?").run(nowMs - daysKeptMs)
  },
})
