/**
 * How late this process's event loop is: a timer that knows when it was due. (perf_hooks' own monitor counts its period
 * as lag, and forgets the block during which it is reset.) Figures are of the last 10 to 20 s.
 */
import { createHistogram } from 'node:perf_hooks'
import { every, type Cancel, type Clock } from '../../std/std.ts'

export interface LoopLag {
  /** Seconds; null before the first measurement. */
  figures(): { readonly p50: number; readonly p99: number; readonly max: number } | null
  stop(): void
}

/** Ten looks a second: a block is seen with all of its length but the part before the timer was due. */
const lookMs = 100
const looksPerWindow = 100
/** The histogram keeps integers: hundredths of a millisecond, from 1. */
const perSecond = 100_000

export const openLoopLag = (clock: Clock): LoopLag => {
  let now = createHistogram()
  let before = createHistogram()
  let looks = 0
  let dueMs = clock.monoMs() + lookMs
  const cancel: Cancel = every(clock, lookMs, () => {
    const atMs = clock.monoMs()
    now.record(Math.max(1, Math.round((atMs - dueMs) * 100)))
    dueMs = atMs + lookMs
    looks += 1
    if (looks < looksPerWindow) return
    looks = 0
    before = now
    now = createHistogram()
  })
  return {
    figures: () => {
      const both = createHistogram()
      both.add(before)
      both.add(now)
      if (both.count === 0) return null
      const of = (percent: number): number => both.percentile(percent) / perSecond
      return { p50: of(50), p99: of(99), max: both.max / perSecond }
    },
    stop: () => cancel(),
  }
}
