/** A clock that a test moves. Timers fire in order of their time, each at its own moment. */
import type { Clock } from '../../src/std/std.ts'
import { settled, Timeline } from './timeline.ts'

export interface MovedClock extends Clock {
  /**
   * Moves time, firing what comes due; between two timers the event loop turns, so that commits and promises settle: a
   * record in such a world is flushed at once.
   */
  move(ms: number): Promise<void>
  /** The wall clock is set to another time; the monotonic one goes on. */
  jumpWall(ms: number): void
}

export const movedClock = (startMs = 1_000_000): MovedClock => {
  const timeline = new Timeline(startMs, startMs)
  return {
    ...timeline.outside.clock,
    move: async (ms) => {
      await settled()
      await timeline.run(timeline.monoMs + ms)
    },
    jumpWall: (ms) => {
      timeline.wallOffsetMs += ms
    },
  }
}
