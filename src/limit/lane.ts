/**
 * Calls of one window that went by one way (road.ts), in the order in which they left: on one way what leaves first
 * arrives first, and the answer of one speaks for those before it. Times are monotonic ms.
 */
import type { Road } from './road.ts'

export interface WindowShape {
  readonly count: number
  readonly windowMs: number
}

/** Calls that left in one part of the window stand here as one. */
interface Group {
  firstMs: number
  /** The last of them left. */
  sentMs: number
  weight: number
  /** The part of it of which neither answer nor end is known. */
  open: number
  /** When the last answer or end of one of them was; null = none was yet. */
  knownMs: number | null
  /** By then the last of them had arrived; null = not known yet. */
  arrivedMs: number | null
}
export type Place = Group
/** So much is taken to have arrived then. */
export interface Arrival {
  readonly atMs: number
  readonly weight: number
}

/** A window is kept in so many parts: what is given away by it is a part. */
const parts = 500
/** Proofs that usually come later than they could by more than this share of the window say little. */
const strictWithin = 1 / 20
/** So much of the window counts as way all the same, and what is beyond so many times the usual. */
const countedShare = 1 / 20
const beyondUsual = 3
/**
 * By so much of the window ways differ. An answer speaks for calls that left so much before its own, for on several
 * connections they overtake each other; and of the least that a call and its answer ever took, so much may be luck.
 */
const jitterShare = 1 / 200
/** A call of which nothing is heard, and no end comes: nobody waits for it for ever. */
const mostHeldMs = 600_000
/** A window has both its ends: what comes exactly a window later would be one too many. */
const edgeMs = 0.001

export class Lane {
  readonly road: Road
  readonly #shape: WindowShape
  readonly #groups: Group[] = []
  /** Groups before this one have arrived. */
  #arrived = 0
  /** What counts of it. */
  total = 0

  constructor(shape: WindowShape, road: Road) {
    this.#shape = shape
    this.road = road
  }

  /** How many groups there are. */
  get size(): number {
    return this.#groups.length
  }

  weight(index: number): number {
    return this.#groups[index]!.weight
  }

  /** When so much of a group counts no more, as far as is known now. */
  leavesMs(index: number, wanted: number): number {
    const group = this.#groups[index]!
    const heard = this.#isPart(group) ? group.weight - group.open : 0
    return heard >= wanted ? this.#partOverMs(group) : this.#overMs(group)
  }

  sent(nowMs: number, weight: number): Place {
    this.total += weight
    const last = this.#groups.at(-1)
    if (
      last !== undefined &&
      last.open > 0 &&
      last.arrivedMs === null &&
      nowMs - last.firstMs < this.#shape.windowMs / parts
    ) {
      last.sentMs = nowMs
      last.weight += weight
      last.open += weight
      return last
    }
    const group: Group = { firstMs: nowMs, sentMs: nowMs, weight, open: weight, knownMs: null, arrivedMs: null }
    this.#groups.push(group)
    return group
  }

  /** The oldest first. */
  fill(arrivals: readonly Arrival[]): void {
    for (const { atMs, weight } of arrivals) {
      const group = { firstMs: atMs, sentMs: atMs, weight, open: 0, knownMs: atMs, arrivedMs: atMs }
      this.#groups.splice(this.#arrived, 0, group)
      this.#arrived += 1
      this.total += weight
    }
  }

  settle(nowMs: number): void {
    for (let group = this.#groups[this.#arrived]; group !== undefined; group = this.#groups[this.#arrived]) {
      const arrivedMs = this.#arrivedBy(group, nowMs)
      if (arrivedMs === undefined) break
      this.#arrive(group, arrivedMs)
    }
    for (let group = this.#groups[0]; group !== undefined; group = this.#groups[0]) {
      if (this.#overMs(group) > nowMs) {
        // The only group of a burst may have to wait for one slow answer: those that were heard do not.
        if (this.#isPart(group) && this.#partOverMs(group) <= nowMs) {
          this.total -= group.weight - group.open
          group.weight = group.open
        }
        break
      }
      this.total -= group.weight
      this.#groups.shift()
      this.#arrived = Math.max(0, this.#arrived - 1)
    }
  }

  /** Quick answers close a group at once; those of one part of the window are one again when they have arrived. */
  #arrive(group: Group, arrivedMs: number): void {
    const before = this.#groups[this.#arrived - 1]
    // Arrivals have the order of their sending.
    group.arrivedMs = Math.max(arrivedMs, before?.arrivedMs ?? -Infinity)
    if (before === undefined || group.firstMs - before.firstMs >= this.#shape.windowMs / parts) {
      this.#arrived += 1
      return
    }
    before.weight += group.weight
    before.sentMs = group.sentMs
    before.arrivedMs = group.arrivedMs
    this.#groups.splice(this.#arrived, 1)
  }

  /** Some of it was heard of, and the rest nobody speaks for yet. */
  #isPart({ arrivedMs, open, weight }: Group): boolean {
    return arrivedMs === null && open > 0 && open < weight
  }

  /** When those of it that were heard of count no more. */
  #partOverMs({ sentMs, knownMs }: Group): number {
    return this.#byProof(sentMs, knownMs!) + this.#shape.windowMs + edgeMs
  }

  /** By when a group had arrived; undefined = nobody knows yet. */
  #arrivedBy({ sentMs, knownMs, open }: Group, nowMs: number): number | undefined {
    // What left in the same moment says nothing: a stall may begin between the two.
    const byOthers = this.road.provenMs(sentMs + this.#jitterMs) ?? Infinity
    const provenMs = Math.min(open <= 0 ? knownMs! : Infinity, byOthers)
    if (provenMs > nowMs) return nowMs - sentMs > mostHeldMs ? nowMs : undefined
    return this.#byProof(sentMs, provenMs)
  }

  get #jitterMs(): number {
    return this.#shape.windowMs * jitterShare
  }

  /** By when a call had arrived whose arrival is proven. */
  #byProof(sentMs: number, provenMs: number): number {
    const backMs = Math.max(0, this.road.leastMs - this.#jitterMs)
    return sentMs + this.#wayOf(Math.max(0, provenMs - backMs - sentMs))
  }

  /** Within this, that an answer is late says little; 0 where answers are quick. */
  get #usualMs(): number {
    const { spreadMs } = this.road
    return spreadMs <= this.#shape.windowMs * strictWithin ? 0 : spreadMs * beyondUsual
  }

  #wayOf(lateMs: number): number {
    const usualMs = this.#usualMs
    return usualMs === 0 ? lateMs : Math.max(Math.min(lateMs, this.#shape.windowMs * countedShare), lateMs - usualMs)
  }

  /** When it counts no more, as far as is known now; Infinity = as long as nothing is heard of it. */
  #overMs({ sentMs, arrivedMs }: Group): number {
    const { windowMs } = this.#shape
    if (arrivedMs !== null) return arrivedMs + windowMs + edgeMs
    // Answers may well take a window and more: that there is none yet says nothing.
    const usualMs = this.#usualMs
    if (this.road.leastMs + usualMs < windowMs) return Infinity
    return sentMs + windowMs * (usualMs === 0 ? 1 : 1 + countedShare) + edgeMs
  }
}
