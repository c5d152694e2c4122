/**
 * Everything that bounds calls at this gate, by name: configured limits, pauses that were asked for, what was learned
 * from answers, breakers. They are saved in the commit that journals the calls which changed them, so a gate that was
 * killed goes on where it was.
 */
import type { BreakerRule } from '../model/model.ts'
import { remainingMs, type Clock, type Random } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { openBreakers, type BreakerEvents, type BreakerView } from './breaker/breakers.ts'
import type { Gauge } from './gauge.ts'
import { openLearned, type Known } from './learn/learned.ts'
import { readSignals } from './learn/signals.ts'
import { openPauses } from './pauses.ts'
import {
  admitted,
  aheadMs,
  emptyTat,
  freshBucket,
  givenUp,
  readyAtMs,
  sent,
  shapeOf,
  type Bucket,
  type LimitRule,
  type Shape,
} from './shape.ts'

/** Who a call is for, as far as limits care. */
export interface Scope {
  readonly upstream: string
  readonly credential: string | null
  readonly agent: string | null
}
/** What an upstream's rules say beside its fixed limits. */
export interface Watching {
  /** Endpoint class of the call: the pattern of the allow-list that let it through. */
  readonly endpoint: string
  /** Whether limits are learned from answers. */
  readonly learn: boolean
  /** Null = no breaker. */
  readonly breaker: BreakerRule | null
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
}

export interface Buckets {
  /** What a call of this scope has to pass: its own gauges, for this call alone. */
  applied(rules: readonly LimitRule[], scope: Scope, watching?: Watching): readonly Gauge[]
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
  /** Monotonic ms of the next probe of an open breaker; undefined while it is closed. */
  nextProbeMs(scope: Scope, endpoint: string): number | undefined
  /** Learns from an answer to a call. True when the scope pauses longer than before. */
  answered(scope: Scope, answer: Answered): boolean
  /** By the provider's own word, nothing is left of one of its limits. */
  isUsedUp(scope: Scope): boolean
  /** For people: what is left of a scope's limits by the provider's own word, and breakers that are not closed. */
  known(scope: Scope): readonly Known[]
  breakers(): readonly BreakerView[]
  /** Rows that changed since the last asking. */
  changed(): readonly LimitRow[]
  /**
   * The limits of this upstream are others now. Their buckets begin empty: whatever was sent before, the new limit is
   * not exceeded by what is sent from here on.
   */
  renew(upstream: string, rules: readonly LimitRule[]): void
}

/** A configured limit that applies to a call. */
interface Applied {
  readonly name: string
  readonly shape: Shape
}

/** Beyond this many, buckets that are full again are forgotten; a full bucket is as good as none. */
const mostBuckets = 20_000
/** A killed gate may have sent its last calls this much later than its last commit says. */
const lagMs = 1_000
const prefix = 'limit\n'

const pauseName = (scope: Scope): string => `${scope.upstream}\n${scope.credential ?? ''}`

const ownerOf = (per: LimitRule['per'], scope: Scope): string => {
  if (per === 'upstream') return ''
  return (per === 'credential' ? scope.credential : scope.agent) ?? ''
}

const upstreamOf = (name: string): string => name.split('\n', 2)[1] ?? ''

const sameShape = (one: Shape, other: Shape): boolean =>
  one === other ||
  (one.count === other.count &&
    one.windowMs === other.windowMs &&
    one.intervalMs === other.intervalMs &&
    one.toleranceMs === other.toleranceMs)

/** The map of buckets, and which of them are not saved yet. */
class Shelf {
  readonly #clock: Clock
  readonly #kept = new Map<string, { readonly shape: Shape; readonly bucket: Bucket }>()
  /** When the limits of an upstream changed last: its buckets that are made after it were empty then. */
  readonly #renewedMs = new Map<string, number>()
  readonly #dirty = new Set<string>()
  readonly #resumable: Map<string, LimitRow>

  constructor(clock: Clock, saved: readonly LimitRow[]) {
    this.#clock = clock
    this.#resumable = new Map(saved.filter((row) => row.name.startsWith(prefix)).map((row) => [row.name, row]))
  }

  get({ name, shape }: Applied): Bucket {
    const known = this.#kept.get(name)
    if (known !== undefined) return known.bucket
    const renewedMs = this.#renewedMs.get(upstreamOf(name))
    const bucket =
      renewedMs === undefined ? this.#resume(name, shape) : { tatMs: emptyTat(shape, renewedMs), pending: 0 }
    this.#kept.set(name, { shape, bucket })
    return bucket
  }

  /** The shape that holds now: a call that was admitted under an older one is charged by it too. */
  shape({ name, shape }: Applied): Shape {
    return this.#kept.get(name)?.shape ?? shape
  }

  /** Where a rule has another shape than before, its bucket begins empty; who waits for it waits by the new one. */
  renew(upstream: string, rules: readonly LimitRule[]): void {
    const nowMs = this.#clock.monoMs()
    this.#renewedMs.set(upstream, nowMs)
    for (const [name, known] of this.#kept) {
      const [, of, index, per] = name.split('\n')
      const rule = of === upstream ? rules[Number(index)] : undefined
      if (rule === undefined || rule.per !== per) continue
      const shape = shapeOf(rule)
      if (sameShape(known.shape, shape)) continue
      this.#kept.set(name, { shape, bucket: { tatMs: emptyTat(shape, nowMs), pending: known.bucket.pending } })
      this.#dirty.add(name)
    }
  }

  put(applied: Applied, bucket: Bucket): void {
    const { name } = applied
    this.#kept.set(name, { shape: this.shape(applied), bucket })
    this.#dirty.add(name)
    if (this.#kept.size > mostBuckets) this.#prune()
  }

  changed(): readonly LimitRow[] {
    const stamp = this.#clock.stamp()
    const rows = [...this.#dirty].map((name): LimitRow => {
      const { shape, bucket } = this.#kept.get(name)!
      return { name, aheadMs: aheadMs(shape, bucket, stamp.monoMs), pauseMs: 0, strikes: 0, ...stamp }
    })
    this.#dirty.clear()
    return rows
  }

  /** A bucket of an earlier gate: as far ahead as it was, plus what a crash may hide; never worse than empty. */
  #resume(name: string, shape: Shape): Bucket {
    const row = this.#resumable.get(name)
    if (row === undefined) return freshBucket
    this.#resumable.delete(name)
    const now = this.#clock.stamp()
    const aheadNowMs = remainingMs(now, row, row.aheadMs + lagMs)
    return { tatMs: Math.min(now.monoMs + aheadNowMs, emptyTat(shape, now.monoMs)), pending: 0 }
  }

  #prune(): void {
    const nowMs = this.#clock.monoMs()
    for (const [name, { bucket }] of this.#kept) {
      if (bucket.pending === 0 && bucket.tatMs <= nowMs && !this.#dirty.has(name)) this.#kept.delete(name)
    }
  }
}

const bucketGauge = (shelf: Shelf, limit: Applied, shared: boolean): Gauge => ({
  shared,
  readyAt: (nowMs) => readyAtMs(shelf.shape(limit), shelf.get(limit), nowMs),
  admit: () => shelf.put(limit, admitted(shelf.get(limit))),
  sent: (nowMs) => shelf.put(limit, sent(shelf.shape(limit), shelf.get(limit), nowMs)),
  giveUp: () => shelf.put(limit, givenUp(shelf.get(limit))),
})

const silent: BreakerEvents = { moved: () => {} }

export const openBuckets = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
  readonly breakerEvents?: BreakerEvents
}): Buckets => {
  const { clock, saved } = options
  const shelf = new Shelf(clock, saved)
  const pauses = openPauses(options)
  const learned = openLearned(clock, saved)
  const breakers = openBreakers({ ...options, events: options.breakerEvents ?? silent })
  const shapes = new WeakMap<LimitRule, Shape>()
  const shapeFor = (rule: LimitRule): Shape => {
    const shape = shapes.get(rule) ?? shapeOf(rule)
    shapes.set(rule, shape)
    return shape
  }
  const fixed = (rule: LimitRule, index: number, scope: Scope): Gauge => {
    const name = `${prefix}${scope.upstream}\n${index}\n${rule.per}\n${ownerOf(rule.per, scope)}`
    return bucketGauge(shelf, { name, shape: shapeFor(rule) }, rule.per !== 'agent')
  }
  const breakerName = (scope: Scope, endpoint: string): string => `${pauseName(scope)}\n${endpoint}`
  return {
    applied: (rules, scope, watching) => [
      ...rules.map((rule, index) => fixed(rule, index, scope)),
      ...(watching?.learn === true ? [learned.gauge(pauseName(scope))] : []),
      ...(watching?.breaker ? [breakers.gauge(breakerName(scope, watching.endpoint), watching.breaker)] : []),
    ],
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
    pausedUntil: (scope) => pauses.until(pauseName(scope)),
    nextProbeMs: (scope, endpoint) => breakers.nextProbeMs(breakerName(scope, endpoint)),
    answered: (scope, { gauges, status, headers, sentMs, learn, knownLimits }) => {
      for (const gauge of gauges) gauge.heard?.()
      const told = readSignals(headers, clock.wallMs())
      const name = pauseName(scope)
      if (learn) learned.hear(name, told, { refused: status === 429, limits: knownLimits })
      return pauses.answered(name, { status, retryAfterMs: told.retryAfterMs ?? undefined, sentMs })
    },
    isUsedUp: (scope) => learned.known(pauseName(scope)).some(({ left }) => left === 0),
    known: (scope) => learned.known(pauseName(scope)),
    breakers: () => breakers.list(),
    changed: () => {
      const stamp = clock.stamp()
      return [...shelf.changed(), ...pauses.changed(), ...learned.changed(stamp), ...breakers.changed(stamp)]
    },
    renew: (upstream, rules) => shelf.renew(upstream, rules),
  }
}
