/**
 * When this sitter itself stood still (stopped, swapped out, its loop blocked): found by a tick that came late. Nothing
 * that happened to be silent meanwhile is held against anybody, for it may have stood still as well, or its words lie
 * unread in the sockets. It ticks only while somebody is waited for; the stops of the last while are kept, at most 100.
 */
import type { Cancel, Clock } from '../std/std.ts'

const everyMs = 1_000
/** A tick this late is the loop's own unrest, not a stop. */
const restlessMs = 500
const mostStops = 100

export interface Stillness {
  /** Somebody is waited for from now on. */
  watch(): void
  /** How much of the time since this (monotonic) moment the sitter stood still, as far as it was watched. */
  sinceMs(thenMs: number): number
  stop(): void
}

/** `isWanted` is asked at each tick; when it says no, ticking ends until the next `watch`. */
export const openStillness = (clock: Clock, isWanted: () => boolean): Stillness => {
  const stops: { readonly atMs: number; readonly ms: number }[] = []
  let lastMs = clock.monoMs()
  let cancel: Cancel | undefined

  /** When the next tick is late, nothing of the time since the last one is known to have been life of this loop. */
  const stillMs = (): number => {
    const passedMs = clock.monoMs() - lastMs
    return cancel !== undefined && passedMs > everyMs + restlessMs ? passedMs : 0
  }
  const arm = (): void => {
    lastMs = clock.monoMs()
    cancel = clock.timer(everyMs, () => {
      const ms = stillMs()
      if (ms > 0) stops.push({ atMs: clock.monoMs(), ms })
      if (stops.length > mostStops) stops.shift()
      cancel = undefined
      if (isWanted()) arm()
    })
  }
  return {
    watch: () => {
      if (cancel === undefined) arm()
    },
    sinceMs: (thenMs) => stops.reduce((sum, { atMs, ms }) => (atMs > thenMs ? sum + ms : sum), stillMs()),
    stop: () => {
      cancel?.()
      cancel = undefined
    },
  }
}
