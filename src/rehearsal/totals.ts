/** What the bank has paid out, per currency, in minor units. */
import { formatAmount, parseAmount } from '../std/std.ts'

export type Totals = Map<string, { minor: bigint; payouts: number }>

export const addMoney = (totals: Totals, amount: string, currency: string): void => {
  const before = totals.get(currency) ?? { minor: 0n, payouts: 0 }
  totals.set(currency, { minor: before.minor + parseAmount(amount, currency).minor, payouts: before.payouts + 1 })
}

export const showTotals = (totals: Totals): readonly { currency: string; paid: string; payouts: number }[] =>
  [...totals].map(([currency, { minor, payouts }]) => ({ currency, paid: formatAmount(minor, currency), payouts }))
