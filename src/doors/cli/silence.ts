/**
 * Why no sitter answers, as far as its watch has written down: whether it comes back by itself, or a person must start
 * it. Read from the data directory, for there is nobody to ask.
 */
import { join } from 'node:path'
import { Failure } from '../../std/std.ts'
import { dataDirectoryFlag, namedDataDirectory, nearestDataDirectory } from './locate.ts'
import type { Printer } from './printer.ts'
import type { Surroundings } from './surroundings.ts'
import { age, duration, plain } from './text.ts'
import type { OptionReader } from './verb.ts'

/** Of `run/watch.json`; another version may have written another one. */
interface Note {
  readonly pid: number
  readonly startTime: string | null
  readonly sitter: {
    readonly state: string
    readonly pid: number | null
    readonly sinceMs: number
    readonly end: {
      readonly by: string
      readonly atMs: number
      readonly deaths: number
      readonly againMs: number
    } | null
  }
}

const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

const readNote = (text: string | undefined): Note | undefined => {
  try {
    const { pid, startTime, programs } = JSON.parse(text ?? '') as {
      pid?: unknown
      startTime?: unknown
      programs?: { sitter?: Partial<Note['sitter']> }
    }
    const { state, pid: own = null, sinceMs, end = null } = programs?.sitter ?? {}
    if (!isAmount(pid) || typeof state !== 'string' || !isAmount(sinceMs)) return undefined
    const known = end !== null && typeof end.by === 'string' && [end.atMs, end.deaths, end.againMs].every(isAmount)
    const sitter = { state, pid: isAmount(own) ? own : null, sinceMs, end: known ? end : null }
    return { pid, startTime: typeof startTime === 'string' ? startTime : null, sitter }
  } catch {
    return undefined
  }
}

const lives = (world: Surroundings, { pid, startTime }: Pick<Note, 'pid' | 'startTime'>): boolean => {
  const found = world.proc.startTime(pid)
  return found !== undefined && (startTime === null || found === startTime)
}

const times = (deaths: number): string => (deaths === 1 ? 'once' : `${deaths} times`)

/** What is wrong with the sitter of a watch that lives. */
const why = (world: Surroundings, { sitter }: Note): string => {
  const nowMs = world.clock.wallMs()
  const { state, pid, sinceMs, end } = sitter
  const ended =
    end === null ? '' : `it ended by ${plain(end.by)} ${age(nowMs, end.atMs)} ago (${times(end.deaths)} in a row)`
  if (state === 'ended' && end !== null) {
    const leftMs = end.againMs - nowMs
    return `${ended}, and is started again ${leftMs > 0 ? `in ${duration(leftMs)}` : 'now'}`
  }
  if (state === 'starting') return `it is starting for ${age(nowMs, sinceMs)}${ended === '' ? '' : `; ${ended}`}`
  const process = pid === null ? 'its process' : `its process ${pid}`
  if (pid !== null && world.proc.state(pid) === 'T')
    return `${process} was stopped by somebody (SIGSTOP); its watch ends it when it has been silent for 15 s`
  return `${process} is there and says nothing; its watch ends it when it has been silent for 15 s`
}

/** What the watch has written down about the sitter that is meant; undefined when it is elsewhere, or nothing is. */
const noteOf = async (
  world: Surroundings,
  options: OptionReader,
): Promise<{ readonly note: Note; readonly directory: string } | undefined> => {
  if ((options.text('url') ?? world.env['SITTER_URL']) !== undefined) return undefined
  const directory = namedDataDirectory(world, options) ?? (await nearestDataDirectory(world))
  if (directory === undefined) return undefined
  const note = readNote(await world.disk.readTextIfThere(join(directory, 'run', 'watch.json')).catch(() => undefined))
  return note && { note, directory }
}

/** Once for each command: whoever waits at a terminal is told why. */
export const slowTeller = (
  world: Surroundings,
  options: OptionReader,
  printer: Pick<Printer, 'note'>,
): (() => void) => {
  let isTold = !world.stderr.isTerminal
  return () => {
    if (isTold) return
    isTold = true
    void noteOf(world, options).then((found) => {
      const more = found !== undefined && lives(world, found.note) ? `: ${why(world, found.note)}` : ''
      printer.note(`the sitter has not answered for 3 s${more} …`)
    })
  }
}

/** The same failure, with what the watch has written down; anything else as it is. */
export const aboutSilence = async (world: Surroundings, options: OptionReader, thrown: unknown): Promise<unknown> => {
  const isSilent = thrown instanceof Failure && thrown.code === 'no-sitter'
  const found = isSilent ? await noteOf(world, options) : undefined
  if (found === undefined) return thrown
  const { note, directory } = found
  const flag = await dataDirectoryFlag(world, directory)
  if (lives(world, note)) {
    const wayOut =
      `ask again in a moment: its watch (pid ${note.pid}) brings it back. Why it ended: sitter logs sitter${flag}, ` +
      `sitter logs watch${flag}. To stop what goes out meanwhile: sitter freeze${flag}`
    return new Failure('no-sitter', `no sitter answers: ${why(world, note)}`, { cause: thrown, facts: { wayOut } })
  }
  const gone = `no sitter answers: its watch (pid ${note.pid}) is gone too, and was not stopped in order`
  const wayOut =
    `sitter up${flag} goes on where it was; a swarm that was started with --detach, or as a service, comes back by ` +
    `itself within seconds. What was said last: sitter logs${flag}`
  return new Failure('no-sitter', gone, { cause: thrown, facts: { wayOut } })
}
