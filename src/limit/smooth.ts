/** Smooth limits: GCRA buckets by name, resumed from what the last gate saved. */
import type { RatedLimit, UpstreamLimit } from '../model/model.ts'
import { remainingMs, type Clock, type Stamp } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import type { Binding, Gauge } from './gauge.ts'
import { placeOf, ruleOf } from './names.ts'
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
  type Shape,
} from './shape.ts'

/** A configured limit that applies to a call. */
export interface Applied {
  readonly name: string
  readonly shape: Shape
}

/** Beyond this many, buckets that are full again are forgotten; a full bucket is as good as none. */
const mostBuckets = 20_000
/** A killed gate may have sent its last calls this much later than its last commit says. */
const lagMs = 1_000

const sameShape = (one: Shape, other: Shape): boolean =>
  one === other ||
  (one.count === other.count &&
    one.windowMs === other.windowMs &&
    one.intervalMs === other.intervalMs &&
    one.toleranceMs === other.toleranceMs)

interface Kept {
  readonly shape: Shape
  readonly bucket: Bucket
}

/** The map of buckets, and which of them are not saved yet. */
export class SmoothShelf {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  /** When the limits of an upstream changed last: its buckets that are made after it were empty then. */
  readonly #renewedMs = new Map<string, number>()
  readonly #dirty = new Set<string>()
  readonly #resumable: Map<string, LimitRow>

  constructor(clock: Clock, saved: readonly LimitRow[]) {
    this.#clock = clock
    this.#resumable = new Map(saved.filter((row) => row.name.startsWith('limit\n')).map((row) => [row.name, row]))
  }

  get({ name, shape }: Applied): Bucket {
    const known = this.#kept.get(name)
    if (known !== undefined) return known.bucket
    const renewedMs = this.#renewedMs.get(placeOf(name))
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
  renew(place: string, rules: readonly UpstreamLimit[]): void {
    const nowMs = this.#clock.monoMs()
    this.#renewedMs.set(place, nowMs)
    for (const [name, known] of this.#kept) {
      const rule = ruleOf(name, place, rules)
      if (rule !== undefined) this.#reshape(name, known, rule, nowMs)
    }
  }

  /** The same for one limit alone. */
  reshape(name: string, rule: UpstreamLimit): void {
    const known = this.#kept.get(name)
    if (known !== undefined) this.#reshape(name, known, rule, this.#clock.monoMs())
  }

  put(applied: Applied, bucket: Bucket): void {
    const { name } = applied
    this.#kept.set(name, { shape: this.shape(applied), bucket })
    this.#dirty.add(name)
    if (this.#kept.size > mostBuckets) this.#prune()
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows = [...this.#dirty].map((name): LimitRow => {
      const { shape, bucket } = this.#kept.get(name)!
      return { name, aheadMs: aheadMs(shape, bucket, stamp.monoMs), pauseMs: 0, strikes: 0, ...stamp }
    })
    this.#dirty.clear()
    return rows
  }

  #reshape(name: string, known: Kept, rule: UpstreamLimit, nowMs: number): void {
    if (!isSmooth(rule)) return
    const shape = shapeOf(rule)
    if (sameShape(known.shape, shape)) return
    this.#kept.set(name, { shape, bucket: { tatMs: emptyTat(shape, nowMs), pending: known.bucket.pending } })
    this.#dirty.add(name)
  }

  /** A bucket of an earlier gate: as far ahead as it was, plus what a crash may hide; never worse than empty. */
  #resume(name: string, shape: Shape): Bucket {
    const row = this.#resumable.get(name)
    if (row === undefined) return freshBucket
    this.#resumable.delete(name)
    const now = this.#clock.stamp()
    // A sliding limit stood here: how far ahead that is nobody knows.
    if (row.pauseMs > 0) return { tatMs: emptyTat(shape, now.monoMs), pending: 0 }
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

const isSmooth = (rule: UpstreamLimit): rule is RatedLimit => 'rate' in rule && rule.window === 'smooth'

export const smoothGauge = (shelf: SmoothShelf, limit: Applied, asked: number, binding: Binding): Gauge => {
  const { toleranceMs, intervalMs } = shelf.shape(limit)
  // What weighs more than ever goes at once goes as the heaviest that may: it must not wait for ever.
  const weight = Math.min(asked, Math.round(toleranceMs / intervalMs) + 1)
  return {
    ...binding,
    paceMs: weight * intervalMs,
    readyAt: (nowMs) => readyAtMs(shelf.shape(limit), shelf.get(limit), nowMs, weight),
    admit: () => shelf.put(limit, admitted(shelf.get(limit), weight)),
    sent: (nowMs) => shelf.put(limit, sent(shelf.shape(limit), shelf.get(limit), nowMs, weight)),
    giveUp: () => shelf.put(limit, givenUp(shelf.get(limit), weight)),
  }
}
