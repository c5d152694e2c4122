/**
 * What a full disk does to the record: reads go on, writes are refused with `disk-full`, and it heals by itself.
 *
 *   taking writes ── SQLITE_FULL ──▶ full ── a probe commits and there is room to go on ──▶ taking writes
 *                                     └── no ──▶ full, the next probe after twice the time
 *
 * Only SQLITE_FULL (13) counts. In WAL mode it is raised while frames are being written, so the frame that would make
 * the transaction valid was never whole: SQLite has rolled back by itself, and a crash now finds nothing of it either
 * (a last frame that was cut fails its checksum). A failing fsync or a failing write-ahead index is another code
 * (SQLITE_IOERR_…) and stays a lost record.
 */
import { statfsSync } from 'node:fs'
import { Failure } from '../../std/std.ts'
import type { Command } from '../commands/commands.ts'

/** First and longest time between probes; a disk that fills again within the calm goes on where it was. */
const firstProbeMs = 250
const longestProbeMs = 5_000
const calmMs = 60_000
/** Free bytes below which no probe is made: it would fit where the next real commit does not. */
const reserveBytes = 1_048_576

export const isFull = (thrown: unknown): boolean =>
  thrown instanceof Error && 'errcode' in thrown && (Number(thrown.errcode) & 0xff) === 13

/** Another program holds the lock that a writer needs, for longer than we wait (SQLITE_BUSY, SQLITE_LOCKED). */
export const isLocked = (thrown: unknown): boolean =>
  thrown instanceof Error && 'errcode' in thrown && [5, 6].includes(Number(thrown.errcode) & 0xff)

export const fullFailure = (cause?: unknown): Failure =>
  new Failure('disk-full', 'the disk of the record is full: nothing was written; reads go on', {
    retryAfterMs: longestProbeMs,
    ...(cause === undefined ? {} : { cause }),
  })

/** Event and audit entries of a full disk, written when it ends: at its beginning there was no room for them. */
export const spaceCommands = (sinceMs: number, nowMs: number): readonly Command[] => {
  const facts = { sinceMs, lastedMs: nowMs - sinceMs }
  const entry = { actor: 'sitter', object: 'record', facts } as const
  const event = { level: 'error', subject: 'sitter', facts } as const
  const seconds = Math.round(facts.lastedMs / 100) / 10
  return [
    {
      kind: 'events.add',
      with: {
        wallMs: sinceMs,
        events: [{ ...event, kind: 'record.full', message: 'the disk of the record was full: writes were refused' }],
      },
    },
    {
      kind: 'events.add',
      with: {
        wallMs: nowMs,
        events: [{ ...event, level: 'info', kind: 'record.freed', message: `writes go on after ${seconds} s` }],
      },
    },
    {
      kind: 'audit.append',
      with: {
        wallMs: nowMs,
        entries: [
          { ...entry, action: 'record.full', decision: 'refused' },
          { ...entry, action: 'record.freed', decision: 'done' },
        ],
      },
    },
  ]
}

export interface Space {
  /** Wall ms since when writes are refused, or null. */
  readonly fullSinceMs: number | null
  /** A commit found the disk full. */
  filled(): void
  writable(): Promise<void>
  onFull(listener: (sinceMs: number | null) => void): void
  close(): void
}

export interface SpaceOptions {
  /** A path on the disk of the record. */
  readonly path: string
  /** Tells the record what happened, in a commit of its own; true when it was written. */
  readonly probe: (sinceMs: number, nowMs: number) => boolean
}

export const openSpace = ({ path, probe }: SpaceOptions): Space => {
  const listeners: ((sinceMs: number | null) => void)[] = []
  let sinceMs: number | null = null
  let delayMs = firstProbeMs
  let healedMs = -Infinity
  let timer: NodeJS.Timeout | undefined
  let waiting: (() => void)[] = []

  const roomy = (): boolean => {
    // A file system that cannot say how much is free lets the probe itself decide.
    try {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize >= reserveBytes
    } catch {
      return true
    }
  }
  const tell = (): void => {
    for (const listener of listeners) listener(sinceMs)
  }
  const letGo = (): void => {
    const all = waiting
    waiting = []
    for (const resolve of all) resolve()
  }
  const arm = (): void => {
    timer = setTimeout(look, delayMs)
    delayMs = Math.min(longestProbeMs, delayMs * 2)
  }
  const look = (): void => {
    const nowMs = Date.now()
    if (!roomy() || !probe(sinceMs!, nowMs)) return arm()
    sinceMs = null
    healedMs = nowMs
    tell()
    letGo()
  }

  return {
    get fullSinceMs() {
      return sinceMs
    },
    filled: () => {
      if (sinceMs !== null) return
      sinceMs = Date.now()
      if (sinceMs - healedMs > calmMs) delayMs = firstProbeMs
      arm()
      tell()
    },
    writable: () =>
      sinceMs === null
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push(resolve)
          }),
    onFull: (listener) => {
      listeners.push(listener)
    },
    close: () => {
      clearTimeout(timer)
      letGo()
    },
  }
}
