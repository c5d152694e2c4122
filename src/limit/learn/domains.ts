/**
 * Whom a provider's own limits count: one credential, or all who come from here, whichever credential or upstream they
 * use. Which of its limits are of the second kind a profile says. A call weighs by them what it weighs by the
 * configured limits of that kind; one where none is configured.
 */
import type { UpstreamLimit } from '../../model/model.ts'
import type { Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'
import type { Gauge } from '../gauge.ts'
import { hostPlace, scopeName, type Scope } from '../names.ts'
import type { Known, Learned } from './learned.ts'
import type { Told } from './signals.ts'

interface Weighed {
  readonly perHost?: readonly string[] | undefined
  readonly weigh?: (rule: UpstreamLimit) => number
}
export interface Domains {
  /** What a call of this scope has to pass. */
  gauges(scope: Scope, rules: readonly UpstreamLimit[], weighed: Weighed): readonly Gauge[]
  hear(
    scope: Scope,
    told: Told,
    answer: {
      readonly refused: boolean
      readonly limits: Readonly<Record<string, number>>
      readonly perHost?: readonly string[] | undefined
    },
  ): void
  known(scope: Scope): readonly Known[]
  paces: Learned['paces']
  changed(stamp: Stamp): readonly LimitRow[]
}

/** Two parts, as the name of a credential's scope has. */
const hostScope = ({ host, upstream }: Scope): string => `${hostPlace(host ?? upstream)}\n`

const weightBy = (rules: readonly UpstreamLimit[], isHost: boolean, { weigh }: Weighed): number => {
  let heaviest: number | undefined
  for (const rule of rules)
    if ('rate' in rule && (rule.per === 'host') === isHost)
      heaviest = Math.max(heaviest ?? -Infinity, weigh?.(rule) ?? 1)
  return heaviest ?? 1
}

export const openDomains = (learned: Learned): Domains => ({
  gauges: (scope, rules, weighed) => {
    const own = learned.gauge(scopeName(scope), weightBy(rules, false, weighed))
    if (weighed.perHost === undefined) return [own]
    return [own, learned.gauge(hostScope(scope), weightBy(rules, true, weighed))]
  },
  hear: (scope, told, { perHost, ...answer }) => {
    if (perHost === undefined) return learned.hear(scopeName(scope), told, answer)
    const isHosts = (name: string): boolean => perHost.some((begins) => name.startsWith(begins))
    const [ours, own] = [true, false].map((is) => told.signals.filter(({ name }) => isHosts(name) === is))
    // Of a refusal that says nothing of them they stay as they are.
    if (ours!.length > 0 || !answer.refused) learned.hear(hostScope(scope), { ...told, signals: ours! }, answer)
    // A pace is found only where neither says anything.
    const refused = answer.refused && ours!.length === 0
    learned.hear(scopeName(scope), { ...told, signals: own! }, { ...answer, refused })
  },
  known: (scope) => {
    const [own, ours] = [learned.known(scopeName(scope)), learned.known(hostScope(scope))]
    return ours.length === 0 ? own : [...own, ...ours]
  },
  paces: (begins) => learned.paces(begins),
  changed: (stamp) => learned.changed(stamp),
})
