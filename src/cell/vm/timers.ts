/** The timers of one machine: they run in the host, so that they fire, and wake it, while it sleeps. */
import type { HostPorts } from '../../agent/agent.ts'

const mostTimers = 1_000
/** Node takes no longer ones. */
const longestMs = 2 ** 31 - 1

export interface Timers {
  /** @throws when there are too many. */
  set(id: number, delayMs: number): void
  clear(id: number): void
  /** All of them, and how long each still has. */
  left(): readonly (readonly [id: number, leftMs: number])[]
  stop(): void
}

export const newTimers = (clock: HostPorts['clock'], fire: (id: number) => void): Timers => {
  const timers = new Map<number, { readonly atMs: number; readonly cancel: () => void }>()
  return {
    set: (id, delayMs) => {
      if (timers.size >= mostTimers) throw new Error(`${mostTimers} timers wait already`)
      const afterMs = Math.min(Math.max(0, delayMs || 0), longestMs)
      const cancel = clock.timer(afterMs, () => {
        timers.delete(id)
        fire(id)
      })
      timers.set(id, { atMs: clock.monoMs() + afterMs, cancel })
    },
    clear: (id) => {
      timers.get(id)?.cancel()
      timers.delete(id)
    },
    left: () => [...timers].map(([id, { atMs }]) => [id, Math.max(0, atMs - clock.monoMs())] as const),
    stop: () => {
      for (const { cancel } of timers.values()) cancel()
      timers.clear()
    },
  }
}
