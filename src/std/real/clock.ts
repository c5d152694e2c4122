/** The machine's clock. bootId changes at each boot, so that stored monotonic times are compared only within one. */
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { Clock } from '../clock.ts'

/** setTimeout fires at once beyond 2^31-1 ms; longer delays are chunked. */
const longestTimerMs = 2_147_483_647

const readBootId = (): string => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Not Linux: each process counts as its own boot, so stored deadlines compare by the wall clock.
    return `process-${process.pid}-${performance.timeOrigin}`
  }
}

/** Where this process began on the clock of hrtime. `performance` counts from there, by the same clock. */
const beganMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/**
 * Monotonic milliseconds shared by all processes of one boot (CLOCK_MONOTONIC, but for a µs or two of where each
 * began), so that a deadline that one sitter stored means the same to the next. 0.03 µs a look; 0.2 through a bigint.
 */
export const monoMs = (): number => Math.round((beganMs + performance.now()) * 1_000) / 1_000

export const realClock = (): Clock => {
  const bootId = readBootId()
  const clock: Clock = {
    wallMs: () => Date.now(),
    monoMs,
    stamp: () => ({ wallMs: Date.now(), monoMs: monoMs(), bootId }),
    timer: (delayMs, fire) => {
      const dueMs = monoMs() + delayMs
      let handle: NodeJS.Timeout
      const arm = (leftMs: number): void => {
        handle = setTimeout(look, Math.min(Math.max(0, Math.ceil(leftMs)), longestTimerMs))
      }
      // Node's timers may fire early (by up to 0.9 ms in 3 of 500 at 3 ms), which a rate's window must not see: look
      // again.
      const look = (): void => {
        const leftMs = dueMs - monoMs()
        if (leftMs > 0) arm(leftMs)
        else fire()
      }
      arm(delayMs)
      return () => clearTimeout(handle)
    },
  }
  return clock
}
