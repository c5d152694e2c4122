/** The part of the schema that says what may be spent, and the checks between it and the prices. */
import { z } from 'zod'
import type { Budget } from '../model/model.ts'
import { faultAt, type ConfigFault, type Path } from './faults.ts'
import { valueAt } from './issues.ts'
import { costOf, currenciesOf } from './price.ts'
import { entriesAt, namesAt, refers, textAt } from './raw.ts'
import { positiveDuration, share } from './shapes.ts'

const dayMs = 86_400_000

export const budget = z.strictObject({
  /** Whose calls are added up. */
  per: z.enum(['agent', 'type', 'upstream', 'swarm']),
  /** What each of them may spend in a window: text like "5.00 USD". */
  spend: costOf('what may be spent, as text like "5.00 USD"').refine(({ pico }) => pico > 0n, 'more than nothing'),
  /** Windows begin at whole multiples of it since 1970 UTC: "1h" on the hour, "1d" at midnight UTC. */
  every: positiveDuration.refine((ms) => ms >= 1_000 && ms <= 31 * dayMs, 'a duration from 1s to 31d'),
  /** Share at which people are warned. */
  warn: share.refine((part) => part > 0, 'a share over 0').default(0.8),
  /** Agent types whose calls count; all when absent. */
  types: z.array(z.string()).max(1_000).default([]),
  /** Upstreams whose calls count; all that are priced in this currency when absent. */
  upstreams: z.array(z.string()).max(1_000).default([]),
})

export const toBudget = (given: z.output<typeof budget>, name: string): Budget => ({
  name,
  per: given.per,
  spend: given.spend,
  everyMs: given.every,
  warn: given.warn,
  types: given.types,
  upstreams: given.upstreams,
})

/** A budget that nothing is ever counted in would be believed in, and hold nothing. */
export const budgetFaults = (raw: unknown, name: string): readonly ConfigFault[] => {
  const at: Path = ['budgets', name]
  const currency = textAt(raw, [...at, 'spend'])?.split(' ')[1]
  const named = entriesAt(raw, [...at, 'upstreams']).map(([, one]) => String(one))
  const priced = (upstream: string): boolean =>
    currency !== undefined && currenciesOf(valueAt(raw, ['upstreams', upstream, 'cost'])).includes(currency)
  const unpriced = named.flatMap((upstream, index) =>
    !namesAt(raw, 'upstreams').includes(upstream) || priced(upstream)
      ? []
      : [faultAt([...at, 'upstreams', index], `an upstream without a price in ${currency}`, 'one that has one')],
  )
  return [
    ...entriesAt(raw, [...at, 'types']).flatMap((_, index) => refers(raw, [...at, 'types', index], 'agents')),
    ...named.flatMap((_, index) => refers(raw, [...at, 'upstreams', index], 'upstreams')),
    ...unpriced,
    ...(named.length > 0 || currency === undefined || namesAt(raw, 'upstreams').some(priced)
      ? []
      : [faultAt([...at, 'spend'], `a currency in which nothing costs anything`, `upstreams.*.cost in ${currency}`)]),
  ]
}
