/** A clock that a test moves. Timers fire in order of their time, each at its own moment. */
import type { Clock } from '../../src/std/std.ts'

export interface MovedClock extends Clock {
  /**
   * Moves time, firing what comes due; between two timers the event loop turns, so that commits and promises settle.
   */
  move(ms: number): Promise<void>
  /** The wall clock is set to another time; the monotonic one goes on. */
  jumpWall(ms: number): void
}

export const movedClock = (startMs = 1_000_000): MovedClock => {
  let nowMs = startMs
  let wallOffsetMs = 0
  let order = 0
  const timers = new Map<number, { atMs: number; fire: () => void }>()
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(() => setImmediate(() => setImmediate(resolve)))
    })
  return {
    wallMs: () => nowMs + wallOffsetMs,
    monoMs: () => nowMs,
    stamp: () => ({ wallMs: nowMs + wallOffsetMs, monoMs: nowMs, bootId: 'test' }),
    timer: (delayMs, fire) => {
      const id = (order += 1)
      timers.set(id, { atMs: nowMs + Math.max(0, delayMs), fire })
      return () => timers.delete(id)
    },
    move: async (ms) => {
      const untilMs = nowMs + ms
      await turn()
      for (;;) {
        const next = [...timers]
          .filter(([, timer]) => timer.atMs <= untilMs)
          .toSorted(([a, one], [b, two]) => one.atMs - two.atMs || a - b)[0]
        if (next === undefined) break
        timers.delete(next[0])
        nowMs = Math.max(nowMs, next[1].atMs)
        next[1].fire()
        await turn()
      }
      nowMs = untilMs
    },
    jumpWall: (ms) => {
      wallOffsetMs += ms
    },
  }
}
