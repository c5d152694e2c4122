/**
 * What the watch has heard of one life of a program, and what it makes of it: late, silent, or idle. A beat says that
 * its loop turns, and no more; a program that shows progress has to show it, or to say why it makes none. What it says
 * (a full disk, a record that somebody else holds) would be no better for its successor: then it is told, not killed.
 */

export interface Bounds {
  /** How long it may take to say `ready`. */
  readonly readyWithinMs: number
  /** Silence after which it is ended. */
  readonly silentAfterMs: number
  /** Beats without progress and without a reason after which it is ended; null = nobody asks for its progress. */
  readonly idleAfterMs: number | null
}

export interface Verdict {
  readonly is: 'late' | 'silent' | 'idle'
  readonly why: string
}

/** The watch looks this often. */
export const lookEveryMs = 1_000
/** Later than this it was held itself (stopped, or a machine with too much to do): that time is nobody's silence. */
const heldAfterMs = 2_000

export class Life {
  readonly #bounds: Bounds
  #isReady = false
  #startedMs: number
  #heardMs: number
  #lookedMs: number
  /** Progress, or a reason for none, was shown last. */
  #shownMs: number
  #reason: string | null = null

  constructor(bounds: Bounds, nowMs: number) {
    this.#bounds = bounds
    this.#startedMs = nowMs
    this.#heardMs = nowMs
    this.#lookedMs = nowMs
    this.#shownMs = nowMs
  }

  get isReady(): boolean {
    return this.#isReady
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs
  }

  ready(nowMs: number): void {
    this.#isReady = true
    this.#shownMs = nowMs
  }

  /** Gives whether it had said before that it makes none. */
  progress(nowMs: number): boolean {
    const again = this.#reason !== null
    this.#shownMs = nowMs
    this.#reason = null
    return again
  }

  /** Gives whether that is news. */
  idle(reason: string, nowMs: number): boolean {
    const isNew = this.#reason !== reason
    this.#shownMs = nowMs
    this.#reason = reason
    return isNew
  }

  /** It has its time for that, and shows nothing meanwhile; that it does is no news. */
  ending(nowMs: number): void {
    this.#shownMs = nowMs
  }

  /** Undefined = it may go on. */
  look(nowMs: number): Verdict | undefined {
    const sinceMs = nowMs - this.#lookedMs
    this.#lookedMs = nowMs
    if (sinceMs > heldAfterMs) this.#excuse(sinceMs - lookEveryMs)
    const { readyWithinMs, silentAfterMs, idleAfterMs } = this.#bounds
    if (!this.#isReady) {
      if (nowMs - this.#startedMs <= readyWithinMs) return undefined
      return { is: 'late', why: `was not ready within ${readyWithinMs} ms` }
    }
    if (nowMs - this.#heardMs > silentAfterMs)
      return { is: 'silent', why: `gave no sign of life for ${silentAfterMs} ms` }
    if (idleAfterMs === null || nowMs - this.#shownMs <= idleAfterMs) return undefined
    return { is: 'idle', why: `lives, but made no progress for ${idleAfterMs} ms and does not say why` }
  }

  #excuse(heldMs: number): void {
    this.#startedMs += heldMs
    this.#heardMs += heldMs
    this.#shownMs += heldMs
  }
}
