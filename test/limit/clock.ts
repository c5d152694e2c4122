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
  let timers: { at: number; fire: () => void }[] = []
  return {
    wallMs: () => wall,
    monoMs: () => mono,
    stamp: () => ({ wallMs: wall, monoMs: mono, bootId: `boot-${boot}` }),
    timer: (delayMs, fire) => {
      const timer = { at: mono + delayMs, fire }
      timers.push(timer)
      return () => {
        timers = timers.filter((one) => one !== timer)
      }
    },
    advance: (ms) => {
      const until = mono + ms
      for (;;) {
        const next = timers.filter((timer) => timer.at <= until).toSorted((left, right) => left.at - right.at)[0]
        if (next === undefined) break
        timers = timers.filter((timer) => timer !== next)
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
