/**
 * When calls arrive where they are sent, as far as their answers tell. A provider counts arrivals, and between sending
 * and arriving lies whatever the machine, the network or the provider takes: usually a moment, in a stall seconds. Then
 * calls that left one after the other arrive together.
 *
 * An answer proves that its call had arrived, and, as what leaves first arrives first, that all calls before it had. So
 * a call arrived at most as late as the first such answer was heard, less what the way there, the provider and the way
 * back take at least. Times are monotonic ms.
 */

interface Proof {
  /** All that was sent up to here had arrived. */
  readonly sentMs: number
  readonly heardMs: number
}

/** Proofs that are remembered: more than any window is divided into. */
const mostProofs = 2_048
/** All that a stall let through comes in one such moment, and counts as one: it must not pass for what is usual. */
const momentMs = 100
/** Moments over which the least time is taken, twice; until there were so many, nothing is known of it. */
const leastOver = 64
const leastKnown = 8
/** What is usual is what was so in most of the last moments: a few stalls among them do not count. */
const usualOver = 9

export class Road {
  readonly #proofs: Proof[] = []
  #least = Infinity
  #leastBefore = Infinity
  #moments = 0
  readonly #lastMs: number[] = []
  #usualMs = 0
  #momentMs = -Infinity

  /** An answer to a call that was sent then. */
  heard(sentMs: number, nowMs: number): void {
    const last = this.#proofs.at(-1)
    if (last !== undefined && sentMs <= last.sentMs) return
    this.#proofs.push({ sentMs, heardMs: nowMs })
    if (this.#proofs.length > mostProofs) this.#proofs.splice(0, mostProofs / 2)
    this.#measure(nowMs - sentMs, nowMs)
  }

  /** When the arrival of a call that was sent then was proven; undefined = not yet. */
  provenMs(sentMs: number): number | undefined {
    const proofs = this.#proofs
    let [from, to] = [0, proofs.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (proofs[middle]!.sentMs >= sentMs) to = middle
      else from = middle + 1
    }
    return proofs[from]?.heardMs
  }

  /** What a call and its answer take at least; 0 while that is not known. */
  get leastMs(): number {
    if (this.#leastBefore === Infinity && this.#moments < leastKnown) return 0
    return Math.min(this.#least, this.#leastBefore)
  }

  /** By how much proofs usually come later than they could. */
  get spreadMs(): number {
    return Math.max(0, this.#usualMs - this.leastMs)
  }

  #measure(tookMs: number, nowMs: number): void {
    this.#least = Math.min(this.#least, tookMs)
    if (nowMs - this.#momentMs < momentMs) return
    this.#momentMs = nowMs
    this.#moments += 1
    if (this.#moments >= leastOver) {
      this.#leastBefore = this.#least
      this.#least = tookMs
      this.#moments = 0
    }
    this.#lastMs.push(tookMs)
    if (this.#lastMs.length > usualOver) this.#lastMs.shift()
    const sorted = this.#lastMs.toSorted((one, other) => one - other)
    // The middle of as many as there should be: what is missing counts as quick.
    this.#usualMs = sorted[sorted.length - (usualOver + 1) / 2] ?? 0
  }
}
