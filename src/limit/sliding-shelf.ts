/** Sliding limits by name, resumed from what the last gate saved. */
import type { RatedLimit, UpstreamLimit } from '../model/model.ts'
import { remainingMs, type Clock, type Stamp } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import type { Gauge } from './gauge.ts'
import { limitPrefix, placeOf, ruleOf } from './names.ts'
import {
  freshSliding,
  slidingOf,
  slidingPending,
  slidingReadyAt,
  slidingSent,
  usedAtMost,
  type Sliding,
  type SlidingShape,
} from './sliding.ts'

const mostKept = 20_000

const isSliding = (rule: UpstreamLimit): rule is RatedLimit => 'rate' in rule && rule.window === 'sliding'

const shapeOf = ({ rate, guard }: RatedLimit): SlidingShape => ({
  count: Math.max(1, Math.floor(rate.count * (1 - guard))),
  windowMs: rate.windowMs,
})

interface Kept {
  readonly shape: SlidingShape
  readonly state: Sliding
}

export class SlidingShelf {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  readonly #renewed = new Set<string>()
  readonly #dirty = new Set<string>()
  readonly #resumable: Map<string, LimitRow>

  constructor(clock: Clock, saved: readonly LimitRow[]) {
    this.#clock = clock
    this.#resumable = new Map(saved.filter((row) => row.name.startsWith(limitPrefix)).map((row) => [row.name, row]))
  }

  gauge(name: string, rule: RatedLimit, weight: number): Gauge {
    const get = (): Kept => this.#get(name, rule)
    const change = (next: (kept: Kept) => Sliding): void => {
      const kept = get()
      this.#kept.set(name, { ...kept, state: next(kept) })
      this.#dirty.add(name)
    }
    const { count, windowMs } = shapeOf(rule)
    return {
      shared: rule.per !== 'agent',
      paceMs: (Math.min(weight, count) * windowMs) / count,
      readyAt: (nowMs) => {
        const { shape, state } = get()
        // What weighs more than all there is goes when nothing else is counted.
        return slidingReadyAt(shape, state, nowMs, Math.min(weight, shape.count))
      },
      admit: () => change(({ state }) => slidingPending(state, weight)),
      sent: (nowMs) => change(({ shape, state }) => slidingSent(shape, state, nowMs, weight)),
      giveUp: () => change(({ state }) => slidingPending(state, -weight)),
    }
  }

  /** Where a rule has another shape, everything counts as used now. */
  renew(place: string, rules: readonly UpstreamLimit[]): void {
    this.#renewed.add(place)
    for (const [name, { shape: before, state }] of this.#kept) {
      const rule = ruleOf(name, place, rules)
      if (rule === undefined || !isSliding(rule)) continue
      const shape = shapeOf(rule)
      if (shape.count === before.count && shape.windowMs === before.windowMs) continue
      const used = slidingOf(shape, shape.count, this.#clock.monoMs())
      this.#kept.set(name, { shape, state: { ...used, pending: state.pending } })
      this.#dirty.add(name)
    }
  }

  changed(stamp: Stamp): readonly LimitRow[] {
    const rows = [...this.#dirty].map((name): LimitRow => {
      const { shape, state } = this.#kept.get(name)!
      return { name, aheadMs: 0, pauseMs: shape.windowMs, strikes: usedAtMost(shape, state, stamp.monoMs), ...stamp }
    })
    this.#dirty.clear()
    return rows
  }

  #get(name: string, rule: RatedLimit): Kept {
    const known = this.#kept.get(name)
    if (known !== undefined) return known
    const shape = shapeOf(rule)
    const nowMs = this.#clock.monoMs()
    const isNew = this.#renewed.has(placeOf(name))
    const state = isNew ? slidingOf(shape, shape.count, nowMs) : this.#resume(name, shape)
    const kept = { shape, state }
    if (this.#kept.size >= mostKept) this.#prune(nowMs)
    this.#kept.set(name, kept)
    return kept
  }

  /** All that counted when the last gate saved it was sent in that moment, as far as we know. */
  #resume(name: string, shape: SlidingShape): Sliding {
    const row = this.#resumable.get(name)
    if (row === undefined) return freshSliding
    this.#resumable.delete(name)
    const now = this.#clock.stamp()
    // A smooth limit stood here: how much of this window it has used is not known.
    if (row.pauseMs === 0) return slidingOf(shape, shape.count, now.monoMs)
    const leftMs = remainingMs(now, row, row.pauseMs)
    return leftMs <= 0
      ? freshSliding
      : slidingOf(shape, Math.min(row.strikes, shape.count), now.monoMs + leftMs - row.pauseMs)
  }

  #prune(nowMs: number): void {
    for (const [name, { shape, state }] of this.#kept)
      if (usedAtMost(shape, state, nowMs) === 0 && !this.#dirty.has(name)) this.#kept.delete(name)
  }
}
