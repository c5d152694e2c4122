/**
 * All buckets and pauses of this gate, by name. They are saved in the commit that journals the calls which changed
 * them, so a gate that was killed goes on where it was.
 */
import { remainingMs, type Clock, type Random } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { openPauses, type Answered } from './pauses.ts'
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
/** A limit that applies to a call: a bucket's name and its shape. `shared` = not the agent's own. */
export interface Applied {
  readonly name: string
  readonly shape: Shape
  readonly shared: boolean
}

export interface Buckets {
  /** The limits of `rules` that a call of this scope is charged to. */
  applied(rules: readonly LimitRule[], scope: Scope): readonly Applied[]
  /**
   * When all of them admit a call: at most now = at once; Infinity = when a pending call was sent or given up. `shared`
   * = a limit that others share stands in the way.
   */
  readyAt(limits: readonly Applied[], nowMs: number): { readonly atMs: number; readonly shared: boolean }
  admit(limits: readonly Applied[]): void
  /** Each admitted call is either sent or given up, once. */
  sent(limits: readonly Applied[], nowMs: number): void
  giveUp(limits: readonly Applied[]): void
  /** Monotonic ms until which this upstream and credential pause; in the past when they do not. */
  pausedUntil(scope: Scope): number
  /** Learns from an answer to a call. True when the scope pauses longer than before. */
  answered(scope: Scope, answer: Answered): boolean
  /** Rows that changed since the last asking. */
  changed(): readonly LimitRow[]
  /**
   * The limits of this upstream are others now. Their buckets begin empty: whatever was sent before, the new limit is
   * not exceeded by what is sent from here on.
   */
  renew(upstream: string, rules: readonly LimitRule[]): void
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

export const openBuckets = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
}): Buckets => {
  const shelf = new Shelf(options.clock, options.saved)
  const pauses = openPauses(options)
  const shapes = new WeakMap<LimitRule, Shape>()
  const shapeFor = (rule: LimitRule): Shape => {
    const shape = shapes.get(rule) ?? shapeOf(rule)
    shapes.set(rule, shape)
    return shape
  }
  return {
    applied: (rules, scope) =>
      rules.map((rule, index) => ({
        name: `${prefix}${scope.upstream}\n${index}\n${rule.per}\n${ownerOf(rule.per, scope)}`,
        shape: shapeFor(rule),
        shared: rule.per !== 'agent',
      })),
    readyAt: (limits, nowMs) => {
      let atMs = nowMs
      let shared = false
      for (const limit of limits) {
        const readyMs = readyAtMs(shelf.shape(limit), shelf.get(limit), nowMs)
        if (readyMs > nowMs && limit.shared) shared = true
        atMs = Math.max(atMs, readyMs)
      }
      return { atMs, shared }
    },
    admit: (limits) => {
      for (const limit of limits) shelf.put(limit, admitted(shelf.get(limit)))
    },
    sent: (limits, nowMs) => {
      for (const limit of limits) shelf.put(limit, sent(shelf.shape(limit), shelf.get(limit), nowMs))
    },
    giveUp: (limits) => {
      for (const limit of limits) shelf.put(limit, givenUp(shelf.get(limit)))
    },
    pausedUntil: (scope) => pauses.until(pauseName(scope)),
    answered: (scope, answer) => pauses.answered(pauseName(scope), answer),
    changed: () => [...shelf.changed(), ...pauses.changed()],
    renew: (upstream, rules) => shelf.renew(upstream, rules),
  }
}
