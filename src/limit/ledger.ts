/**
 * A window as its provider counts it: so many calls in any span of its length, counted where they arrive. Calls stand
 * here from when they leave until a window after they have arrived (road.ts), so neither a stall nor a burst after a
 * quiet time shows the provider more than it allows.
 *
 *   pending ── sent ──▶ under way ── its answer, its end, or the answer of a later one ──▶ arrived ── a window ──▶ gone
 *
 * Where answers usually come so late that they say little about arrivals (a model that writes for a minute), counting
 * all of that as way would cost more than it is worth: there a twentieth of the window counts, and what goes far beyond
 * the usual. Of a window over several upstreams each has a way of its own, and a lane (lane.ts) here.
 * Times are monotonic ms.
 */
import { Lane, type Arrival, type Place, type WindowShape } from './lane.ts'
import type { Road } from './road.ts'

export type { Place, WindowShape } from './lane.ts'

export class Ledger {
  readonly shape: WindowShape
  readonly #first: Lane
  /** Those of other ways by which calls went that still count; nearly always none. */
  #others: Lane[] = []
  #pending = 0

  constructor(shape: WindowShape, road: Road) {
    this.shape = shape
    this.#first = new Lane(shape, road)
  }

  /** What counts now: at most the shape's count. */
  used(nowMs: number): number {
    this.#settle(nowMs)
    return this.#pending + this.#total()
  }

  /** At most `nowMs` = at once; Infinity = when a call before it was sent, given up, answered or ended. */
  readyAt(nowMs: number, asked: number): number {
    this.#settle(nowMs)
    const weight = Math.min(asked, this.shape.count)
    const excess = this.#pending + weight - this.shape.count
    if (excess > 0) return Infinity
    const over = excess + this.#total()
    if (over <= 0) return nowMs
    return this.#others.length === 0 ? this.#leavesMs(over, nowMs) : this.#leaveMs(over, nowMs)
  }

  pend(weight: number): void {
    this.#pending += weight
  }

  sent(nowMs: number, weight: number, road: Road = this.#first.road): Place {
    this.#pending -= weight
    return this.#laneOf(road).sent(nowMs, weight)
  }

  /** A call of this weight was answered, so it had arrived; or it has ended without an answer, and never will. */
  known(place: Place, nowMs: number, weight: number): void {
    place.open -= weight
    place.knownMs = nowMs
    this.#settle(nowMs)
  }

  /** Another one of this shape; calls that are admitted are so by it. */
  renewed(shape: WindowShape, arrivals: readonly Arrival[]): Ledger {
    const next = new Ledger(shape, this.#first.road)
    next.fill(arrivals)
    next.#pending = this.#pending
    return next
  }

  /** So much is taken to have arrived, each at its time, the oldest first. */
  fill(arrivals: readonly Arrival[]): void {
    this.#first.fill(arrivals)
  }

  #total(): number {
    let total = this.#first.total
    for (const lane of this.#others) total += lane.total
    return total
  }

  #laneOf(road: Road): Lane {
    if (road === this.#first.road) return this.#first
    let lane = this.#others.find((one) => one.road === road)
    if (lane === undefined) this.#others.push((lane = new Lane(this.shape, road)))
    return lane
  }

  /** When so much of the only lane counts no more. */
  #leavesMs(excess: number, nowMs: number): number {
    let atMs = nowMs
    let left = excess
    for (let index = 0; left > 0 && index < this.#first.size; index += 1) {
      atMs = Math.max(atMs, this.#first.leavesMs(index, left))
      left -= this.#first.weight(index)
    }
    return atMs
  }

  /** The same of several: whatever leaves first, from the heads on. */
  #leaveMs(excess: number, nowMs: number): number {
    const heads = [this.#first, ...this.#others].map((lane) => ({ lane, at: 0 }))
    let atMs = nowMs
    for (let left = excess; left > 0;) {
      let soonest: { readonly head: (typeof heads)[number]; readonly ms: number } | undefined
      for (const head of heads) {
        if (head.at >= head.lane.size) continue
        const ms = head.lane.leavesMs(head.at, left)
        if (soonest === undefined || ms < soonest.ms) soonest = { head, ms }
      }
      if (soonest === undefined) break
      const { head, ms } = soonest
      atMs = Math.max(atMs, ms)
      left -= head.lane.weight(head.at)
      head.at += 1
    }
    return atMs
  }

  #settle(nowMs: number): void {
    this.#first.settle(nowMs)
    if (this.#others.length === 0) return
    for (const lane of this.#others) lane.settle(nowMs)
    if (this.#others.some(({ size }) => size === 0)) this.#others = this.#others.filter(({ size }) => size > 0)
  }
}
