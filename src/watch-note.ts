/**
 * What the watch knows of its programs, kept in a file (`run/watch.json`): it is there when the sitter is not, which is
 * when people ask. A file that could not be written is an old one, and its reader sees by the pid whether anybody
 * stands behind it.
 */
import type { Clock, Disk, Proc } from './std/std.ts'
import type { ProgramChange } from './watch.ts'

export interface ProgramNote {
  readonly state: 'starting' | 'up' | 'ended'
  readonly pid: number | null
  /** In this state since (wall ms). */
  readonly sinceMs: number
  /** How its last life ended; in a row, and when it is started again. */
  readonly end: {
    readonly by: string
    readonly atMs: number
    readonly deaths: number
    readonly againMs: number
  } | null
}
export interface WatchNote {
  readonly pid: number
  readonly startTime: string | null
  readonly sinceMs: number
  readonly programs: Readonly<Record<string, ProgramNote>>
}

const fresh: ProgramNote = { state: 'ended', pid: null, sinceMs: 0, end: null }

/** A pure step; a program that is not known yet begins with its first change. */
export const noted = (before: ProgramNote | undefined, change: ProgramChange, nowMs: number): ProgramNote => {
  const { pid, end } = before ?? fresh
  switch (change.is) {
    case 'started':
      return { state: 'starting', pid: change.pid, sinceMs: nowMs, end }
    case 'ready':
      return { state: 'up', pid, sinceMs: nowMs, end }
    case 'ended': {
      const { by, deaths, againInMs } = change
      return { state: 'ended', pid: null, sinceMs: nowMs, end: { by, atMs: nowMs, deaths, againMs: nowMs + againInMs } }
    }
  }
}

export interface WatchNotes {
  changed(change: ProgramChange): void
  /** The swarm was stopped in order: nobody is to be looked for. */
  remove(): Promise<void>
}

export const openWatchNote = (options: {
  readonly disk: Pick<Disk, 'writeWhole' | 'remove'>
  readonly path: string
  readonly clock: Pick<Clock, 'wallMs'>
  readonly proc: Pick<Proc, 'startTime'>
  readonly pid: number
}): WatchNotes => {
  const { disk, path, clock, pid } = options
  const startTime = options.proc.startTime(pid) ?? null
  const programs: Record<string, ProgramNote> = {}
  const sinceMs = clock.wallMs()
  let writing: Promise<void> = Promise.resolve()
  const write = async (): Promise<void> => {
    const note: WatchNote = { pid, startTime, sinceMs, programs }
    await disk.writeWhole(path, `${JSON.stringify(note)}\n`, 0o600).catch(() => undefined)
  }
  return {
    changed: (change) => {
      programs[change.program] = noted(programs[change.program], change, clock.wallMs())
      writing = writing.then(write)
    },
    remove: async () => {
      await writing
      await disk.remove(path).catch(() => undefined)
    },
  }
}
