/** A clock that a test moves. Timers fire in order of their time, each at its own moment. */
import type { Clock } from '../../src/std/std.ts'

export interface MovedClock extends Clock {
  /**
   * Moves time, firing what comes due; between two timers the event loop turns and what was committed becomes durable,
   * so that answers and promises settle.
   */
  move(ms: number): Promise<void>
}

/** `durable`: resolves when what is committed now has been answered, for a world with a record (one of its reads). */
export const movedClock = (startMs = 1_000_000, durable?: () => Promise<unknown>): MovedClock => {
  let nowMs = startMs
  let order = 0
  const timers = new Map<number, { atMs: number; fire: () => void }>()
  const turn = async (): Promise<void> => {
    for (let time = 0; time < 3; time += 1) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      await durable?.()
    }
  }
  return {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    stamp: () => ({ wallMs: nowMs, monoMs: nowMs, bootId: 'test' }),
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
  }
}
