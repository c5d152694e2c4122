/** Answers to who asks what calls have cost. */
import { costAmount, failure } from '../../std/std.ts'
import type { CostsTold, CostTold } from '../../wire/wire.ts'
import type { CostSums, SpendingBook } from '../ports.ts'

type Raw = Readonly<Record<string, unknown>>

/** As many rows as surely go into one frame of the link. */
const mostRows = 2_000

const countOf = (raw: Raw, name: string): number => {
  const value = raw[name]
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

const told = ({ currency, known, counted, calls, unknown }: CostSums): CostTold => ({
  currency,
  cost: costAmount({ pico: known, currency }),
  counted: costAmount({ pico: counted, currency }),
  calls,
  unknown,
})

/** @throws Failure `invalid` when it asks by something else. */
export const costsTold = (book: SpendingBook, raw: Raw, nowMs: number): CostsTold => {
  const by = raw['by']
  if (by !== 'agent' && by !== 'type' && by !== 'upstream')
    throw failure('invalid', 'costs are told by agent, type or upstream')
  const sinceMs = countOf(raw, 'sinceMs')
  const limit = Math.min(mostRows, Math.max(1, Math.floor(countOf(raw, 'limit'))))
  const { fromMs, totals, items, more } = book.costs({ by, sinceMs, nowMs, limit, offset: countOf(raw, 'offset') })
  return { fromMs, totals: totals.map(told), items: items.map((row) => ({ owner: row.owner, ...told(row) })), more }
}

export const costOfTold = (book: SpendingBook, raw: Raw): readonly CostTold[] => {
  const agent = raw['agent']
  if (typeof agent !== 'string') throw failure('invalid', 'whose calls?')
  return book.costOf(agent, countOf(raw, 'fromMs'), countOf(raw, 'untilMs')).map(told)
}
