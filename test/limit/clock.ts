/** A clock that moves only when told; timers fire in order on the way. */
import type { Clock } from '../../src/std/std.ts'

export interface HandClock extends Clock {
  advance(ms: number): void
  reboot(): void
  jump(wallMs: number): void
}

export const handClock = (): HandClock => {
  let wall = 1_700_000_000_000
  let mono = 5_000
  let boot = 1
  /** The earliest first; of one time the one that was set first. */
  const timers: { at: number; fire: () => void }[] = []
  return {
    wallMs: () => wall,
    monoMs: () => mono,
    stamp: () => ({ wallMs: wall, monoMs: mono, bootId: `boot-${boot}` }),
    timer: (delayMs, fire) => {
      const timer = { at: mono + delayMs, fire }
      const before = timers.findLastIndex(({ at }) => at <= timer.at)
      timers.splice(before + 1, 0, timer)
      return () => {
        const index = timers.indexOf(timer)
        if (index >= 0) timers.splice(index, 1)
      }
    },
    advance: (ms) => {
      const until = mono + ms
      for (;;) {
        const [next] = timers
        if (next === undefined || next.at > until) break
        timers.shift()
        wall += Math.max(0, next.at - mono)
        mono = Math.max(mono, next.at)
        next.fire()
      }
      wall += until - mono
      mono = until
    },
    reboot: () => {
      boot += 1
      mono = 1
    },
    jump: (ms) => {
      wall += ms
    },
  }
}
