/** The room at a glance, from the record alone: what it says after a restart is what it said before. */
import { isSettlementEnd, type SettlementState } from '../model/model.ts'
import { currencyDigits, formatAmount, parseAmount, parseCost } from '../std/std.ts'
import type { Queries } from '../store/store.ts'
import type { SettleSummary } from './port.ts'

type Reads = Pick<Queries, 'settlementCounts' | 'settlements' | 'costTotals'>
type ByState = Record<string, { count: number; amounts: Record<string, string> }>

const unknownMost = 100

export const byStateOf = (counts: Awaited<ReturnType<Queries['settlementCounts']>>): ByState => {
  const byState: ByState = {}
  for (const { state, currency, count, amountMinor } of counts) {
    const entry = (byState[state] ??= { count: 0, amounts: {} })
    const before = entry.amounts[currency]
    entry.count += count
    entry.amounts[currency] = formatAmount(
      (before === undefined ? 0n : parseAmount(before, currency).minor) + amountMinor,
      currency,
    )
  }
  return byState
}

export const summarise = async (read: Reads): Promise<SettleSummary> => {
  const counts = await read.settlementCounts()
  const byState = byStateOf(counts)
  const open = Object.entries(byState)
    .filter(([state]) => !isSettlementEnd(state as SettlementState))
    .reduce((sum, [, { count }]) => sum + count, 0)
  const person = counts.reduce((sum, { state, persons }) => sum + (isSettlementEnd(state) ? 0 : persons), 0)
  const unknown =
    open === 0 ? [] : (await read.settlements({ state: 'unknown' }, { limit: unknownMost, after: null })).items
  const settled = byState['settled']?.count ?? 0
  const costs = await read.costTotals()
  return {
    byState,
    tries: counts.reduce((sum, row) => sum + row.tries, 0),
    unknown: unknown.map(({ id, reference, reason, person }) => ({ id, reference, why: reason ?? '', person })),
    person,
    idle: open === person,
    cost: costs.known.map(({ currency, amount, calls }) => ({
      currency,
      amount,
      calls,
      perSettlement: settled === 0 ? 'unknown' : perOne(amount, currency, BigInt(settled)),
    })),
    costUnknown: costs.unknown,
  }
}

/**
 * A share of an amount with four digits more than the currency has, for costs are often a fraction of its smallest
 * coin.
 */
const perOne = (amount: string, currency: string, count: bigint): string => {
  const digits = (currencyDigits(currency) ?? 0) + 4
  const unit = 10n ** BigInt(12 - digits) * count
  const scaled = (parseCost(`${amount} ${currency}`).pico + unit / 2n) / unit
  const text = scaled.toString().padStart(digits + 1, '0')
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`
}
