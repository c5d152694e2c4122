/**
 * The dead-man's ping: as long as the sitter makes progress, an address outside is asked for at a steady pace. When
 * sitter, watch, machine or network is gone, nothing is asked, and whoever listens there rings. It is the one alarm
 * that works when nothing here does.
 */
import { every, type Clock, type Outside, type Service } from './std/std.ts'

export interface DeadmanOptions {
  readonly url: string
  readonly everyMs: number
  readonly clock: Clock
  readonly outside: Outside
  /** Told when asking did not work, and when it works again: at the change, not each time. */
  readonly told: (works: boolean, detail: string) => void
}
export interface Deadman extends Service {
  /** The sitter has made progress. */
  progress(): void
}

/** Progress counts for this long, however seldom is asked: proofs come every few seconds, and some may be late. */
const countsForMs = 20_000
const askWithinMs = 10_000

export const openDeadman = ({ url, everyMs, clock, outside, told }: DeadmanOptions): Deadman => {
  let progressMs = -Infinity
  let works: boolean | undefined
  let busy = false
  const change = (now: boolean, detail: string): void => {
    if (works === now || (works === undefined && now)) works = now
    else {
      works = now
      told(now, detail)
    }
  }
  const ask = async (): Promise<void> => {
    try {
      const { status } = await outside.ask({ method: 'GET', url, headers: {}, body: null, withinMs: askWithinMs })
      change(status < 400, `it answered ${status}`)
    } catch (error) {
      change(false, error instanceof Error ? error.message : String(error))
    }
  }
  const tick = (): void => {
    if (busy || clock.monoMs() - progressMs > countsForMs) return
    busy = true
    void ask().finally(() => {
      busy = false
    })
  }
  const stop = every(clock, everyMs, tick)
  return {
    progress: () => {
      const isFirst = progressMs === -Infinity
      progressMs = clock.monoMs()
      if (isFirst) tick()
    },
    stop,
  }
}
