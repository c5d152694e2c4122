/**
 * What a full disk of the server does: a statement is refused with SQLSTATE 53100 and its list was not written; writes
 * are refused with `disk-full` until a probe, which tells the record what happened, is committed. A server without room
 * for its own log does not refuse, it stops: that is a lost link.
 */
import { sleep, type Clock } from '../../std/std.ts'
import type { Command } from '../commands/commands.ts'
import { spaceCommands } from '../sqlite/space.ts'

/** First and longest time between probes. */
const firstProbeMs = 250
const longestProbeMs = 5_000

export const isServerFull = (thrown: unknown): boolean => (thrown as { code?: unknown } | undefined)?.code === '53100'

export interface ServerSpace {
  readonly fullSinceMs: number | null
  /** A statement found the disk full. */
  filled(): void
  writable(): Promise<void>
  onFull(listener: (sinceMs: number | null) => void): void
  close(): void
}

/** `probe` writes the commands past the refusal; true when they were committed. */
export const openServerSpace = (
  clock: Clock,
  probe: (commands: readonly Command[]) => Promise<boolean>,
): ServerSpace => {
  const listeners: ((sinceMs: number | null) => void)[] = []
  const ended = new AbortController()
  let sinceMs: number | null = null
  let open = Promise.withResolvers<void>()
  const tell = (): void => {
    for (const listener of listeners) listener(sinceMs)
  }
  const heal = async (fromMs: number): Promise<void> => {
    for (let delayMs = firstProbeMs; !ended.signal.aborted; delayMs = Math.min(longestProbeMs, delayMs * 2)) {
      await sleep(clock, delayMs, ended.signal)
      if (ended.signal.aborted || !(await probe(spaceCommands(fromMs, clock.wallMs())))) continue
      sinceMs = null
      tell()
      open.resolve()
      return
    }
  }
  return {
    get fullSinceMs() {
      return sinceMs
    },
    filled: () => {
      if (sinceMs !== null) return
      sinceMs = clock.wallMs()
      open = Promise.withResolvers()
      tell()
      void heal(sinceMs)
    },
    writable: () => (sinceMs === null ? Promise.resolve() : open.promise),
    onFull: (listener) => void listeners.push(listener),
    close: () => {
      ended.abort()
      open.resolve()
    },
  }
}
