/**
 * Everything that bounds calls at this gate, by name: configured limits, pauses that were asked for, what was learned
 * from answers, breakers. They are saved in the commit that journals the calls which changed them, so a gate that was
 * killed goes on where it was.
 */
import type { BreakerRule, SwarmLimit, UpstreamLimit } from '../model/model.ts'
import type { Clock, Random } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { openBans, type Banned, type Bans } from './bans.ts'
import { openBreakers, type BreakerEvents, type BreakerView } from './breaker/breakers.ts'
import { bindingOf, mostDomains, openConfigured, type Configured, type Views } from './configured.ts'
import type { Gauge } from './gauge.ts'
import type { FoundPace, Held } from './held.ts'
import { openDomains, type Counts, type Domains } from './learn/domains.ts'
import { openLearned, type Known } from './learn/learned.ts'
import type { Listed } from './learn/listed.ts'
import { readSignals } from './learn/signals.ts'
import {
  credentialOf,
  hostPlace,
  limitName,
  scopeName,
  swarmName,
  swarmPlace,
  throttledName,
  type Scope,
} from './names.ts'
import { openPauses, type Pauses } from './pauses.ts'
import type { Slices } from './slices.ts'
import { atShare } from './throttle.ts'

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

/** When a call may go. */
export interface Readiness {
  readonly atMs: number
  /** A limit that all of its line share stands in the way. */
  readonly shared: boolean
  /** One that some of it do. */
  readonly crowd: string | undefined
  /** When it is of use to look again, for it or for those behind it who have less in their way. */
  readonly othersMs: number
}

export interface Buckets extends Views {
  /** What a call of this scope has to pass: its own gauges, for this call alone. */
  applied(rules: readonly UpstreamLimit[], scope: Scope, watching?: Watching): readonly Gauge[]
  /** More of them, for a call whose mode is throttled: a share of each limit, for all that have this mode together. */
  throttled(rules: readonly UpstreamLimit[], scope: Scope, throttled: Throttled): readonly Gauge[]
  /** And of the limits over upstreams, those that count calls of this scope. */
  overUpstreams(limits: readonly SwarmLimit[], scope: Scope): readonly Gauge[]
  /**
   * When all of them admit a call: at most now = at once; Infinity = when a pending call was sent or given up.
   */
  readyAt(gauges: readonly Gauge[], nowMs: number): Readiness
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
  /** Rows that changed since the last asking. */
  changed(): readonly LimitRow[]
  /**
   * The limits of this upstream are others now. Their buckets begin empty: whatever was sent before, the new limit is
   * not exceeded by what is sent from here on.
   */
  renew(upstream: { readonly name: string; readonly host?: string }, rules: readonly UpstreamLimit[]): void
  /** The same of a limit over upstreams. */
  renewOver(limit: SwarmLimit): void
}

/** What a call does to all of its gauges. */
const overAll = (clock: Clock): Pick<Buckets, 'readyAt' | 'admit' | 'sent' | 'giveUp' | 'ended'> => ({
  readyAt: (gauges, nowMs) => {
    let atMs = nowMs
    let sharedMs = nowMs
    let crowdMs = nowMs
    let crowd: string | undefined
    for (const gauge of gauges) {
      const readyMs = gauge.readyAt(nowMs)
      if (readyMs <= nowMs) continue
      atMs = Math.max(atMs, readyMs)
      if (gauge.shared) sharedMs = Math.max(sharedMs, readyMs)
      else if ((crowd ??= gauge.crowd) !== undefined && gauge.crowd === crowd) crowdMs = Math.max(crowdMs, readyMs)
    }
    const shared = sharedMs > nowMs
    return { atMs, shared, crowd, othersMs: shared ? sharedMs : crowd === undefined ? atMs : crowdMs }
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

/** Of a limit over upstreams, where it counts calls of this scope. */
const gaugesOver = ({ gauges }: Configured, limit: SwarmLimit, scope: Scope): readonly Gauge[] => {
  const name = swarmName(limit, scope.agent)
  if (name === undefined) return []
  const shared = limit.per === 'swarm' && limit.types.length === 0
  return gauges(limit, name, { scope, weight: 1, binding: { shared, crowd: name } })
}

const silent: BreakerEvents = { moved: () => {} }

export const openBuckets = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
  readonly breakerEvents?: BreakerEvents
  /** Absent = this host is the only one. */
  readonly slices?: Slices
}): Buckets => {
  const { clock, saved } = options
  const configured = openConfigured(clock, saved, options.slices)
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
        if (weight === 0) continue
        const name = limitName(rule, index, scope)
        all.push(...configured.gauges(rule, name, { scope, weight, binding: bindingOf(rule, name) }))
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
        return [...configured.gauges(less, name, { scope, weight, binding: { shared: false } })]
      }),
    overUpstreams: (limits, scope) => limits.flatMap((limit) => gaugesOver(configured, limit, scope)),
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
    renewOver: (limit) => configured.renew([swarmPlace(limit.name)], [limit]),
  }
}
