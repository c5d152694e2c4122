/** The limits of the configuration, whatever their kind: the gauges of a call, and what people are told of them. */
import type { SwarmLimit, UpstreamLimit } from '../model/model.ts'
import type { Clock, Stamp } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { Concurrency } from './concurrency.ts'
import type { Binding, Gauge } from './gauge.ts'
import { isDomain, limitName, swarmName, swarmPrefix, type Scope } from './names.ts'
import { Road } from './road.ts'
import { shapeOf, type RateRule, type Shape } from './shape.ts'
import { atSlice, shareHere, type Slices } from './slices.ts'
import { smoothGauge, SmoothShelf } from './smooth.ts'
import type { Domain, Usage } from './usage.ts'
import { WindowShelf } from './windows.ts'

interface Asked {
  readonly scope: Scope
  readonly weight: number
  readonly binding: Binding
}

export interface Views {
  /** For people: each of these limits for this scope; null where each agent or type has its own. */
  usage(rules: readonly UpstreamLimit[], scope: Scope): readonly (Usage | null)[]
  /** For people: these limits for each owner that they count now, the most used first, a hundred at most. */
  domains(rules: readonly UpstreamLimit[], scope: Scope): readonly Domain[]
  /** The same of one over upstreams. */
  swarmUsage(limit: SwarmLimit): Usage | null
  /** And for each owner of one. */
  swarmDomains(limit: SwarmLimit): readonly Domain[]
  /** And as it stands for one agent; null = it does not count this one's calls. */
  swarmOf(limit: SwarmLimit, agent: string): Domain | null
}
export interface Configured {
  gauges(rule: UpstreamLimit, name: string, asked: Asked): readonly Gauge[]
  readonly views: Views
  changed(stamp: Stamp): readonly LimitRow[]
  renew(places: readonly string[], rules: readonly UpstreamLimit[]): void
}

/** Told of at once. */
export const mostDomains = 100

const mostUsed = (domains: readonly Domain[]): readonly Domain[] =>
  domains.toSorted((one, other) => other.used / other.of - one.used / one.of).slice(0, mostDomains)

/** `names`: of what is counted by limits of this one's kind. */
const openViews = (
  usage: (rule: UpstreamLimit, name: string) => Usage,
  names: (rule: UpstreamLimit) => Iterable<string>,
): Views => {
  const owners = (rule: UpstreamLimit, prefix: string): readonly Domain[] =>
    [...names(rule)]
      .filter((name) => name.startsWith(prefix))
      .map((name): Domain => ({ per: rule.per, owner: name.slice(prefix.length), ...usage(rule, name) }))
  return {
    usage: (rules, scope) =>
      rules.map((rule, index) =>
        rule.per === 'agent' || rule.per === 'type' ? null : usage(rule, limitName(rule, index, scope)),
      ),
    domains: (rules, scope) =>
      mostUsed(
        rules.flatMap((rule, index) =>
          owners(rule, limitName(rule, index, { ...scope, credential: null, agent: null })),
        ),
      ),
    swarmUsage: (limit) => (limit.per === 'swarm' ? usage(limit, swarmPrefix(limit)) : null),
    swarmDomains: (limit) => mostUsed(owners(limit, swarmPrefix(limit))),
    swarmOf: (limit, agent) => {
      const name = swarmName(limit, agent)
      if (name === undefined) return null
      return { per: limit.per, owner: name.slice(swarmPrefix(limit).length), ...usage(limit, name) }
    },
  }
}

/** Whom a limit of an upstream's list binds: its agent alone, those of a type, or all of the line. */
export const bindingOf = ({ per }: UpstreamLimit, name: string): Binding => {
  if (per === 'agent') return { shared: false }
  return per === 'type' ? { shared: false, crowd: name } : { shared: true }
}

/** While a slice is over somebody has to ask again: nothing that happens here ends that. */
const askAgainMs = 1_000

/** Limits as they hold on this host; undefined = nothing of one is left. */
const openLent = (clock: Clock, slices: Slices, reshape: (name: string, rule: UpstreamLimit) => void) => {
  const known = new Map<string, { readonly of: UpstreamLimit; readonly share: number; readonly rule: UpstreamLimit }>()
  return (of: UpstreamLimit, name: string): UpstreamLimit | undefined => {
    const share = shareHere(slices, name, clock.monoMs())
    const before = known.get(name)
    if (before?.of === of && before.share === share) return before.rule
    const rule = atSlice(of, share)
    if (rule === undefined) return undefined
    known.set(name, { of, share, rule })
    if (before !== undefined) reshape(name, rule)
    return rule
  }
}

export const openConfigured = (clock: Clock, saved: readonly LimitRow[], slices: Slices | undefined): Configured => {
  const smooth = new SmoothShelf(clock, saved)
  const windows = new WindowShelf(clock, saved)
  const roads = new Map<string, Road>()
  const concurrency = new Concurrency()
  const shapes = new WeakMap<RateRule, Shape>()
  const shapeFor = (rule: RateRule): Shape => {
    const shape = shapes.get(rule) ?? shapeOf(rule)
    shapes.set(rule, shape)
    return shape
  }
  /** One for each address: as many as the configuration ever had. */
  const roadTo = ({ host, upstream }: Scope): Road => {
    const to = host === undefined || isDomain(host) ? upstream : host
    const road = roads.get(to) ?? new Road()
    roads.set(to, road)
    return road
  }
  const usage = (rule: UpstreamLimit, name: string): Usage => {
    const nowMs = clock.monoMs()
    if (!('rate' in rule)) return concurrency.usage(name, rule, nowMs)
    return windows.usage(name, rule, nowMs)
  }
  const gauges = (rule: UpstreamLimit, name: string, { scope, weight, binding }: Asked): readonly Gauge[] => {
    if (!('rate' in rule)) return [concurrency.gauge(name, rule, binding)]
    const window = windows.gauge(name, rule, { weight, road: roadTo(scope), binding })
    if (rule.window === 'sliding') return [window]
    return [window, smoothGauge(smooth, { name, shape: shapeFor(rule) }, weight, binding)]
  }
  const lent =
    slices &&
    openLent(clock, slices, (name, rule) => {
      smooth.reshape(name, rule)
      windows.reshape(name, rule)
    })
  /** It holds while it waits too: a slice may end, and another one be lent meanwhile. */
  const lentGauges = (of: UpstreamLimit, name: string, asked: Asked): readonly Gauge[] =>
    gauges(lent!(of, name) ?? of, name, asked).map((gauge, index) => ({
      ...gauge,
      readyAt: (nowMs) => {
        const rule = lent!(of, name)
        return rule === undefined ? nowMs + askAgainMs : gauges(rule, name, asked)[index]!.readyAt(nowMs)
      },
    }))
  return {
    gauges: lent === undefined ? gauges : lentGauges,
    views: openViews(usage, (rule) => ('rate' in rule ? windows : concurrency).names()),
    changed: (stamp: Stamp): readonly LimitRow[] => [...smooth.changed(stamp), ...windows.changed(stamp)],
    renew: (places: readonly string[], rules: readonly UpstreamLimit[]): void => {
      for (const place of places) {
        smooth.renew(place, rules)
        windows.renew(place, rules)
      }
    },
  }
}
