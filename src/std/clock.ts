/** Time as an argument. Nothing above `std/real` reads a clock by itself; a month can be simulated in a minute. */

/** A moment that survives restarts: compare by `monoMs` within one boot, by `wallMs` across boots. */
export interface Stamp {
  readonly wallMs: number
  readonly monoMs: number
  readonly bootId: string
}

/** Undoes a timer; calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since the Unix epoch: the time of the record, and of all that is due there. Never a timer. */
  wallMs(): number
  /**
   * What the machine's own clock says, which somebody may put right at any moment: only for dates of others. Absent
   * where that is the same as `wallMs`.
   */
  civilMs?(): number
  /** Milliseconds that never go back; only differences mean something. */
  monoMs(): number
  stamp(): Stamp
  /** Calls `fire` once after at least `delayMs`; long delays (over 24.8 days) are chunked by the real form. */
  timer(delayMs: number, fire: () => void): Cancel
}

/** Our time of a date that somebody else has named by the machine's clock, or by their own. */
export const fromCivil = (clock: Pick<Clock, 'wallMs' | 'civilMs'>, civilMs: number): number =>
  clock.civilMs === undefined ? civilMs : civilMs + clock.wallMs() - clock.civilMs()

/** The date of a time of ours, for somebody who looks at the machine's clock. */
export const toCivil = (clock: Pick<Clock, 'wallMs' | 'civilMs'>, wallMs: number): number =>
  clock.civilMs === undefined ? wallMs : wallMs + clock.civilMs() - clock.wallMs()

/** Resolves after `delayMs`, or at once when the signal aborts. Never rejects: the caller looks at the signal. */
export const sleep = (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const cancel = clock.timer(delayMs, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    const stop = (): void => {
      cancel()
      resolve()
    }
    signal?.addEventListener('abort', stop, { once: true })
  })

/** Calls `tick` every `everyMs`, fixed delay. An error in `tick` is the caller's bug and is thrown from the timer. */
export const every = (clock: Clock, everyMs: number, tick: () => void): Cancel => {
  let cancel = clock.timer(everyMs, function next() {
    cancel = clock.timer(everyMs, next)
    tick()
  })
  return () => cancel()
}

/** Milliseconds since a stamp, never less than none: by the monotonic clock within one boot, else by the wall clock. */
export const passedMs = (now: Stamp, set: Stamp): number =>
  Math.max(0, now.bootId === set.bootId ? now.monoMs - set.monoMs : now.wallMs - set.wallMs)

/**
 * Milliseconds until a stored deadline. Within one boot the monotonic clock decides, so wall jumps neither expire nor
 * stall it; after a reboot the wall clock decides, bounded by the original delay.
 */
export const remainingMs = (now: Stamp, set: Stamp, delayMs: number): number =>
  Math.max(0, delayMs - passedMs(now, set))
