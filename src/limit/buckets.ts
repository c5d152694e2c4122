/**
 * Everything that bounds calls at this gate, by name: configured limits, pauses that were asked for, what was learned
 * from answers, breakers. They are saved in the commit that journals the calls which changed them, so a gate that was
 * killed goes on where it was.
 */
import type { BreakerRule, UpstreamLimit } from '../model/model.ts'
import type { Clock, Random, Stamp } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { openBans, type Banned, type Bans } from './bans.ts'
import { openBreakers, type BreakerEvents, type BreakerView } from './breaker/breakers.ts'
import { Concurrency } from './concurrency.ts'
import type { Gauge } from './gauge.ts'
import type { FoundPace, Held } from './held.ts'
import { openDomains, type Counts, type Domains } from './learn/domains.ts'
import { openLearned, type Known } from './learn/learned.ts'
import type { Listed } from './learn/listed.ts'
import { readSignals } from './learn/signals.ts'
import { credentialOf, hostPlace, isDomain, limitName, scopeName, throttledName, type Scope } from './names.ts'
import { openPauses, type Pauses } from './pauses.ts'
import { DeafRoad, Road } from './road.ts'
import { smoothGauge, SmoothShelf } from './smooth.ts'
import { atShare } from './throttle.ts'
import { shapeOf, type RateRule, type Shape } from './shape.ts'
import type { Domain, Usage } from './usage.ts'
import { WindowShelf } from './windows.ts'

/** What an upstream's rules say beside its fixed limits. */
export interface Watching {
  /** Endpoint class of the call: the pattern of the allow-list that let it through. */
  readonly endpoint: string
  /** Whether limits are learned from answers. */
  readonly learn: boolean
  /** Beginnings of the names of signals that count all who come from here. */
  readonly perHost?: readonly string[] | undefined
  /** What the call counts by signals that count some calls alone, by the beginnings of their names. */
  readonly counts?: Counts | undefined
  /** Null = no breaker. */
  readonly breaker: BreakerRule | null
  /** What the call weighs by a rule, 0 when the rule is not for it; absent = 1 by all. */
  readonly weigh?: (rule: UpstreamLimit) => number
}
/** Whose mode it is, and which share of the usual is left. */
export interface Throttled {
  readonly target: string
  readonly share: number
  readonly weigh: (rule: UpstreamLimit) => number
}
export interface Answered {
  readonly gauges: readonly Gauge[]
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  /** Monotonic ms at which the call was sent. */
  readonly sentMs: number
  readonly learn: boolean
  /** Limits that the provider is known to have, by the name of the header that tells their use. */
  readonly knownLimits: Readonly<Record<string, number>>
  /** As in `Watching`. */
  readonly perHost?: readonly string[] | undefined
  readonly counts?: Counts | undefined
  /** Statuses by which the provider is known to ban, and whom; 418 with a wait bans its credential if it lacks. */
  readonly bans?: Readonly<Record<string, Banned>> | undefined
}

const banOf = ({ status, bans = {} }: Answered, retryAfterMs: number | null): Banned | undefined =>
  bans[String(status)] ?? (status === 418 && retryAfterMs !== null ? 'credential' : undefined)

export interface Buckets {
  /** What a call of this scope has to pass: its own gauges, for this call alone. */
  applied(rules: readonly UpstreamLimit[], scope: Scope, watching?: Watching): readonly Gauge[]
  /** More of them, for a call whose mode is throttled: a share of each limit, for all that have this mode together. */
  throttled(rules: readonly UpstreamLimit[], scope: Scope, throttled: Throttled): readonly Gauge[]
  /**
   * When all of them admit a call: at most now = at once; Infinity = when a pending call was sent or given up. `shared`
   * = a limit that others share stands in the way.
   */
  readyAt(gauges: readonly Gauge[], nowMs: number): { readonly atMs: number; readonly shared: boolean }
  admit(gauges: readonly Gauge[]): void
  /** Each admitted call is either sent or given up, once. */
  sent(gauges: readonly Gauge[], nowMs: number): void
  giveUp(gauges: readonly Gauge[]): void
  /** Once, after it was sent. `failed`: whether that is held against the upstream; null = it says nothing about it. */
  ended(gauges: readonly Gauge[], failed: boolean | null): void
  /** Monotonic ms until which this upstream and credential pause; in the past when they do not. */
  pausedUntil(scope: Scope): number
  /** Learns from an answer to a call. True when the scope pauses longer than before. */
  answered(scope: Scope, answer: Answered): boolean
  /**
   * The body of an answer says that a limit refused its call, and its head named no wait. True when the scope pauses
   * for longer than before.
   */
  limited(scope: Scope, sentMs: number): boolean
  /** An answer lists limits of this scope with the most that they let through. */
  listed(scope: Scope, limits: readonly Listed[]): void
  /**
   * The body of an answer says that its call exceeded these of its provider's limits: nothing is left of them until
   * their windows end. True when one of them was known.
   */
  violated(scope: Scope, names: readonly string[]): boolean
  /** By the provider's own word, nothing is left of one of its limits. */
  isUsedUp(scope: Scope): boolean
  /** For people: what is left of a scope's limits by the provider's own word, and breakers that are not closed. */
  known(scope: Scope, counted?: readonly string[]): readonly Known[]
  breakers(): readonly BreakerView[]
  /** For people: who of this upstream is held back by a provider's word, whatever credential, the longest first. */
  held(upstream: { readonly name: string; readonly host: string }): readonly Held[]
  /** For people: paces that were found for credentials of this upstream. */
  paces(upstream: string): readonly FoundPace[]
  /** For people: each of these limits for this scope; null where each agent or type has its own. */
  usage(rules: readonly UpstreamLimit[], scope: Scope): readonly (Usage | null)[]
  /** For people: these limits for each owner that they count now, the most used first, a hundred at most. */
  domains(rules: readonly UpstreamLimit[], scope: Scope): readonly Domain[]
  /** Rows that changed since the last asking. */
  changed(): readonly LimitRow[]
  /**
   * The limits of this upstream are others now. Their buckets begin empty: whatever was sent before, the new limit is
   * not exceeded by what is sent from here on.
   */
  renew(upstream: { readonly name: string; readonly host?: string }, rules: readonly UpstreamLimit[]): void
}

interface Asked {
  readonly scope: Scope
  readonly weight: number
}

/** Told of at once. */
const mostDomains = 100

/** `names`: of what is counted by limits of this one's kind. */
const openViews = (
  usage: (rule: UpstreamLimit, name: string) => Usage,
  names: (rule: UpstreamLimit) => Iterable<string>,
): Pick<Buckets, 'usage' | 'domains'> => ({
  usage: (rules, scope) =>
    rules.map((rule, index) =>
      rule.per === 'agent' || rule.per === 'type' ? null : usage(rule, limitName(rule, index, scope)),
    ),
  domains: (rules, scope) =>
    rules
      .flatMap((rule, index) => {
        const prefix = limitName(rule, index, { ...scope, credential: null, agent: null })
        return [...names(rule)]
          .filter((name) => name.startsWith(prefix))
          .map((name): Domain => ({ per: rule.per, owner: name.slice(prefix.length), ...usage(rule, name) }))
      })
      .toSorted((one, other) => other.used / other.of - one.used / one.of)
      .slice(0, mostDomains),
})

/** The limits of the configuration, whatever their kind. */
const openConfigured = (clock: Clock, saved: readonly LimitRow[]) => {
  const smooth = new SmoothShelf(clock, saved)
  const windows = new WindowShelf(clock, saved)
  const roads = new Map<string, Road>()
  const deafRoad = new DeafRoad()
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
    return windows.usage(name, nowMs) ?? { used: 0, of: shapeFor(rule).count, freeAtMs: nowMs }
  }
  return {
    gauges: (rule: UpstreamLimit, name: string, { scope, weight }: Asked): readonly Gauge[] => {
      if (!('rate' in rule)) return [concurrency.gauge(name, rule)]
      const road = rule.per === 'host' && isDomain(scope.host) ? deafRoad : roadTo(scope)
      const window = windows.gauge(name, rule, weight, road)
      if (rule.window === 'sliding') return [window]
      return [window, smoothGauge(smooth, { name, shape: shapeFor(rule) }, weight, rule.per !== 'agent')]
    },
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

/** What a call does to all of its gauges. */
const overAll = (clock: Clock): Pick<Buckets, 'readyAt' | 'admit' | 'sent' | 'giveUp' | 'ended'> => ({
  readyAt: (gauges, nowMs) => {
    let atMs = nowMs
    let shared = false
    for (const gauge of gauges) {
      const readyMs = gauge.readyAt(nowMs)
      if (readyMs > nowMs && gauge.shared) shared = true
      atMs = Math.max(atMs, readyMs)
    }
    return { atMs, shared }
  },
  admit: (gauges) => {
    for (const gauge of gauges) gauge.admit(clock.monoMs())
  },
  sent: (gauges, nowMs) => {
    for (const gauge of gauges) gauge.sent(nowMs)
  },
  giveUp: (gauges) => {
    for (const gauge of gauges) gauge.giveUp()
  },
  ended: (gauges, failed) => {
    for (const gauge of gauges) gauge.ended?.(failed, clock.monoMs())
  },
})

/** For people: who is held back, whatever is configured. */
const overHeld = (parts: {
  readonly pauses: Pauses
  readonly bans: Bans
  readonly learned: Domains
}): Pick<Buckets, 'held' | 'paces'> => ({
  held: ({ name, host }) => {
    const place = hostPlace(host)
    const heldBy =
      (why: Held['why']) =>
      ({ name: of, untilMs }: { readonly name: string; readonly untilMs: number }): Held =>
        of === place
          ? { whose: 'address', credential: null, why, untilMs }
          : { whose: 'credential', credential: credentialOf(of), why, untilMs }
    return [
      ...parts.pauses.lasting(`${name}\n`).map(heldBy('asked')),
      ...parts.bans.lasting(`${name}\n`, place).map(heldBy('banned')),
    ]
      .toSorted((one, other) => other.untilMs - one.untilMs)
      .slice(0, mostDomains)
  },
  paces: (upstream) =>
    parts.learned
      .paces(`${upstream}\n`)
      .slice(0, mostDomains)
      .map(({ scope, perSecond }) => ({ credential: credentialOf(scope), perSecond })),
})

const silent: BreakerEvents = { moved: () => {} }

export const openBuckets = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
  readonly breakerEvents?: BreakerEvents
}): Buckets => {
  const { clock, saved } = options
  const configured = openConfigured(clock, saved)
  const pauses = openPauses(options)
  const learned = openDomains(openLearned(clock, saved), saved)
  const bans = openBans(options)
  const breakers = openBreakers({ ...options, events: options.breakerEvents ?? silent })
  const breakerName = (scope: Scope, endpoint: string): string => `${scopeName(scope)}\n${endpoint}`
  return {
    applied: (rules, scope, watching) => {
      const all: Gauge[] = []
      for (const [index, rule] of rules.entries()) {
        const weight = watching?.weigh?.(rule) ?? 1
        if (weight > 0) all.push(...configured.gauges(rule, limitName(rule, index, scope), { scope, weight }))
      }
      all.push(bans.gauge(scope))
      if (watching?.learn === true) all.push(...learned.gauges(scope, rules, watching))
      if (watching?.breaker) all.push(breakers.gauge(breakerName(scope, watching.endpoint), watching.breaker))
      return all
    },
    throttled: (rules, scope, { target, share, weigh }) =>
      rules.flatMap((rule, index): Gauge[] => {
        const weight = weigh(rule)
        const less = atShare(rule, share)
        // Whoever waits for it lets the others of its line pass.
        const name = throttledName(less, index, scope, target)
        if (weight === 0) return []
        return configured.gauges(less, name, { scope, weight }).map((gauge) => ({ ...gauge, shared: false }))
      }),
    ...overAll(clock),
    pausedUntil: (scope) => Math.max(pauses.until(scopeName(scope)), bans.until(scope)),
    answered: (scope, answer) => {
      const { gauges, status, headers, sentMs, learn, knownLimits } = answer
      for (const gauge of gauges) gauge.heard?.(clock.monoMs())
      const told = readSignals(headers, clock.civilMs?.() ?? clock.wallMs())
      const { perHost, counts } = answer
      if (learn) learned.hear(scope, told, { status, sentMs, limits: knownLimits, perHost, counts })
      const said = { status, retryAfterMs: told.retryAfterMs ?? undefined, sentMs }
      const isBanned = bans.answered(scope, { ...said, banned: banOf(answer, told.retryAfterMs) })
      return pauses.answered(scopeName(scope), said) || isBanned
    },
    limited: (scope, sentMs) => pauses.limited(scopeName(scope), sentMs),
    violated: (scope, names) => learned.violated(scope, names),
    isUsedUp: (scope) => learned.known(scope).some(({ left }) => left === 0),
    listed: (scope, limits) => learned.listed(scope, limits),
    known: (scope, counted) => [...learned.known(scope, counted), ...learned.peaks(scope)],
    breakers: () => breakers.list(),
    ...overHeld({ pauses, bans, learned }),
    ...configured.views,
    changed: () => {
      const stamp = clock.stamp()
      return [configured, learned, breakers, bans].flatMap((kind) => kind.changed(stamp)).concat(pauses.changed())
    },
    renew: ({ name, host }, rules) => configured.renew(host === undefined ? [name] : [name, hostPlace(host)], rules),
  }
}
