/**
 * What was spent, inside gate.db: sums for budgets, and totals by agent and upstream. They are written in the commit of
 * the call's end, so that whatever is killed, each call counts once. Amounts are decimal text of trillionths: sums of
 * them do not fit into 64 bits for every currency.
 */
import type { DatabaseSync } from 'node:sqlite'
import { formatCost, parseCost } from '../../std/std.ts'
import {
  mostNotes,
  type CallSpent,
  type CostsAsk,
  type CostsRead,
  type CostSum,
  type SpentIn,
  type SpentSum,
} from './rows.ts'

export interface Spending {
  /** What calls that began since then have cost, by agent, type or upstream; in whole hours or days. */
  costs(ask: CostsAsk): CostsRead
  /** What the calls of an agent have cost that began from one moment up to another. */
  costOf(agent: string, fromMs: number, untilMs: number): readonly CostSum[]
  /** Sums of budgets, of all windows that are kept. */
  spentSums(): readonly SpentSum[]
  /** Forgets what no window and no view looks at any more. */
  forgetSpent(nowMs: number): void
}

const hourMs = 3_600_000
const dayMs = 86_400_000
/** Longer than the longest window. */
const sumsKeptMs = 62 * dayMs
const hoursKeptMs = 48 * hourMs
const daysKeptMs = 400 * dayMs

/** Each call counts in its hour, its day and in all that there ever was, which is never dropped. */
const spans = [
  { span: 'hour', startOf: (ms: number) => Math.floor(ms / hourMs) * hourMs },
  { span: 'day', startOf: (ms: number) => Math.floor(ms / dayMs) * dayMs },
  { span: 'all', startOf: () => 0 },
] as const

/** Trillionths of one unit. */
const unit = 1_000_000_000_000n

const reached = (at: bigint, before: bigint, after: bigint): boolean => before < at && after >= at

interface SumRow {
  readonly window_ms: number
  readonly spent: string
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

/** What calls of one agent, upstream and currency have spent that began in the same hour. */
interface Total extends Pick<CallSpent, 'agent' | 'upstream' | 'currency' | 'atMs'> {
  known: bigint
  counted: bigint
  calls: number
  unknown: number
}

/** One statement for all spans: SQL adds, and keeps the rest below one unit. */
const totalsOf = (db: DatabaseSync): ((total: Total) => void) => {
  const rows = spans.map(({ span }, index) => `('${span}', ?${9 + index}, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?12)`)
  const add = db.prepare(`INSERT INTO costs (span, at_ms, agent, upstream, currency,
    known_units, known_pico, counted_units, counted_pico, calls, unknown) VALUES ${rows.join(', ')}
    ON CONFLICT (span, at_ms, agent, upstream, currency) DO UPDATE SET
    known_units = known_units + excluded.known_units + (known_pico + excluded.known_pico) / ${unit},
    known_pico = (known_pico + excluded.known_pico) % ${unit},
    counted_units = counted_units + excluded.counted_units + (counted_pico + excluded.counted_pico) / ${unit},
    counted_pico = (counted_pico + excluded.counted_pico) % ${unit},
    calls = calls + excluded.calls, unknown = unknown + excluded.unknown`)
  return ({ agent, upstream, currency, atMs, known, counted, calls, unknown }) => {
    const amounts = [known / unit, known % unit, counted / unit, counted % unit]
    const starts = spans.map(({ startOf }) => startOf(atMs))
    add.run(agent ?? '', upstream, currency, ...amounts, calls, ...starts, unknown)
  }
}

/** What calls have spent that end in one transaction. */
export interface Spent {
  add(spent: CallSpent): void
  /** Just before the COMMIT. */
  write(): void
  /** The transaction did not come about. */
  forget(): void
}

/**
 * Totals are added up here for all calls that end in one commit, and written once: three statements a call were 7 % of
 * what a call costs the gate.
 */
export const openSpent = (db: DatabaseSync): Spent => {
  const [addToSum, addToTotals] = [sumsOf(db), totalsOf(db)]
  const totals = new Map<string, Total>()
  return {
    add: (spent) => {
      for (const place of spent.places) addToSum(place, spent)
      const { agent, upstream, currency, atMs, known, counted } = spent
      const key = `${agent}\n${upstream}\n${currency}\n${Math.floor(atMs / hourMs)}`
      const total = totals.get(key) ?? { agent, upstream, currency, atMs, known: 0n, counted: 0n, calls: 0, unknown: 0 }
      total.known += known ?? 0n
      total.counted += counted
      total.calls += 1
      total.unknown += known === null ? 1 : 0
      totals.set(key, total)
    },
    write: () => {
      for (const total of totals.values()) addToTotals(total)
    },
    forget: () => totals.clear(),
  }
}

const keys = {
  agent: 'agent',
  // `settler/0042` → `settler`; type names have no slash.
  type: "CASE agent WHEN '' THEN '' ELSE substr(agent, 1, instr(agent, '/') - 1) END",
  upstream: 'upstream',
} as const

/** Beyond so much, whole days are added up. */
const mostHours = 48

interface SumsRow {
  readonly owner: string
  readonly currency: string
  readonly known_units: bigint
  readonly known_pico: bigint
  readonly counted_units: bigint
  readonly counted_pico: bigint
  readonly calls: bigint
  readonly unknown: bigint
}
const sumOf = (row: SumsRow): CostSum => ({
  currency: row.currency,
  known: row.known_units * unit + row.known_pico,
  counted: row.counted_units * unit + row.counted_pico,
  calls: Number(row.calls),
  unknown: Number(row.unknown),
})

const sums = `SUM(known_units) AS known_units, SUM(known_pico) AS known_pico, SUM(counted_units) AS counted_units,
  SUM(counted_pico) AS counted_pico, SUM(calls) AS calls, SUM(unknown) AS unknown`

const readCosts = (db: DatabaseSync, { by, sinceMs, nowMs, limit, offset }: CostsAsk): CostsRead => {
  const [hours, days, all] = spans
  const { span, startOf } = sinceMs === 0 ? all : nowMs - sinceMs <= mostHours * hourMs ? hours : days
  const fromMs = startOf(sinceMs)
  const ask = (sql: string, ...values: (string | number)[]): SumsRow[] => {
    const statement = db.prepare(sql)
    statement.setReadBigInts(true)
    return statement.all(...values) as unknown as SumsRow[]
  }
  const where = 'FROM costs WHERE span = ? AND at_ms >= ?'
  // The dearest first; each currency for itself, because they cannot be compared.
  const items = ask(
    `SELECT ${keys[by]} AS owner, currency, ${sums} ${where} GROUP BY owner, currency
      ORDER BY SUM(counted_units) + SUM(counted_pico) / 1e12 DESC, owner, currency LIMIT ? OFFSET ?`,
    span,
    fromMs,
    limit + 1,
    offset,
  )
  const totals = ask(`SELECT '' AS owner, currency, ${sums} ${where} GROUP BY currency ORDER BY currency`, span, fromMs)
  return {
    fromMs,
    totals: totals.map(sumOf),
    items: items.slice(0, limit).map((row) => ({ owner: row.owner, ...sumOf(row) })),
    more: items.length > limit,
  }
}

/** Few rows: of one agent, within one attempt. */
const readCostOf = (db: DatabaseSync, agent: string, fromMs: number, untilMs: number): readonly CostSum[] => {
  const rows = db
    .prepare(`SELECT cost, COALESCE(reserved, '') AS reserved, COUNT(*) AS calls FROM calls
      WHERE agent = ? AND begun_ms >= ? AND begun_ms < ? AND cost IS NOT NULL GROUP BY cost, reserved`)
    .all(agent, fromMs, untilMs) as unknown as { cost: string; reserved: string; calls: number }[]
  const found = new Map<string, CostSum>()
  for (const { cost, reserved, calls } of rows) {
    const isKnown = cost !== 'unknown'
    const { pico, currency } = parseCost(isKnown ? cost : reserved)
    const all = pico * BigInt(calls)
    const before = found.get(currency) ?? { currency, known: 0n, counted: 0n, calls: 0, unknown: 0 }
    found.set(currency, {
      currency,
      known: before.known + (isKnown ? all : 0n),
      counted: before.counted + all,
      calls: before.calls + calls,
      unknown: before.unknown + (isKnown ? 0 : calls),
    })
  }
  return [...found.values()]
}

export const spendingOf = (db: DatabaseSync): Spending => ({
  costs: (ask) => readCosts(db, ask),
  costOf: (agent, fromMs, untilMs) => readCostOf(db, agent, fromMs, untilMs),
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
