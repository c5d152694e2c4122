/** What whoever started the watch as a service (systemd) hears of it. */
import { every, type Cancel, type Clock, type Notify } from './std/std.ts'
import type { WatchLine } from './watch.ts'

/** What the service manager is told by. */
export interface Told {
  /** All programs are ready. From now on it hears of the watch's own loop, as often as it asked. */
  ready(): Promise<void>
  /** The end has begun, and takes its time. It still hears that we live: a stop that hangs is no stop. */
  stopping(): Promise<void>
  /** Nothing is said any more. */
  end(): void
}

/**
 * Keeps whoever started us as a service informed. The sign of life is given by the loop that watches the programs, and
 * says nothing about them: they have their own watch, here. One that could not be given is told once, until one could.
 */
export const tellService = (
  notify: Notify | null,
  { clock, onEvent }: { readonly clock: Clock; onEvent(line: WatchLine): void },
): Told => {
  let cancel: Cancel = () => {}
  let isSilent = false
  const say = async (words: readonly string[]): Promise<void> => {
    try {
      await notify?.tell(words)
      isSilent = false
    } catch (error) {
      if (isSilent) return
      isSilent = true
      const why = error instanceof Error ? error.message : String(error)
      const message = `the service manager cannot be told ${words.join(' ')}, and may end this swarm: ${why}`
      onEvent({ at: clock.wallMs(), level: 'error', message })
    }
  }
  let underWay: Promise<void> | undefined
  const beat = (): void => {
    underWay ??= say(['WATCHDOG=1']).finally(() => {
      underWay = undefined
    })
  }
  return {
    ready: async () => {
      await say(['READY=1'])
      const silentAfterMs = notify?.silentAfterMs ?? null
      if (silentAfterMs !== null) cancel = every(clock, silentAfterMs / 3, beat)
    },
    stopping: () => say(['STOPPING=1']),
    end: () => cancel(),
  }
}
