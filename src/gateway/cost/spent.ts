/** What a call has spent, as the journal is told it: of a call that ended, and of one that a dead gate left open. */
import type { Budget } from '../../model/model.ts'
import { parseCost, type Cost } from '../../std/std.ts'
import type { JournalRow, JournalSpent } from '../ports.ts'
import { placesOf, warnAt, type Payer, type Place } from './budgets.ts'

const placeOf = ({ budget, owner, windowMs }: Place): JournalSpent['places'][number] => ({
  budget: budget.name,
  owner,
  windowMs,
  endsMs: windowMs + budget.everyMs,
  warnAt: warnAt(budget),
  most: budget.spend.pico,
})

export const spentBy = (
  payer: Payer,
  places: readonly Place[],
  amount: { readonly known: bigint | null; readonly counted: Cost },
  times: Pick<JournalSpent, 'atMs' | 'endedMs'>,
): JournalSpent => ({
  ...payer,
  ...times,
  currency: amount.counted.currency,
  known: amount.known,
  counted: amount.counted.pico,
  places: places.map(placeOf),
})

/** Nobody knows whether it was sent, nor what it cost: it counts as what it had reserved. */
export const spentOfOpen = (row: JournalRow, budgets: readonly Budget[], nowMs: number): JournalSpent | null => {
  if (row.reserved === null) return null
  const counted = parseCost(row.reserved)
  const places = placesOf(budgets, row, counted, row.begunMs)
  return spentBy(
    { agent: row.agent, upstream: row.upstream },
    places,
    { known: null, counted },
    { atMs: row.begunMs, endedMs: nowMs },
  )
}
