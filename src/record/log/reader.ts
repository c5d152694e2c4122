/**
 * Reads the log's files, with or without a sitter, newest or from a place on. Filters are values that are compared,
 * never patterns: no line of an agent and no wish of a reader can make a search slow. Reads are in chunks with a bound
 * on what one asking may look at, in bytes that were read; an answer that stopped there says so.
 */
import { Failure, type Folder } from '../../std/std.ts'
import { logFiles, type LogFile } from './files.ts'
import { readLine, type LogLine } from './line.ts'

export interface LogAsk {
  /** An agent, a cell or a room; null = all. */
  readonly id: string | null
  /** 10 trace … 60 fatal: lines of this level and above. */
  readonly level: number
  /** Wall ms: lines from then on; null = all. */
  readonly sinceMs: number | null
  /** Lines that contain this text, as it is. */
  readonly grep: string | null
}

/** Where a reader is: number of the file and bytes of it that were read, `12:4096`. */
export interface LogPlace {
  readonly file: number
  readonly offset: number
}

export interface LogPage {
  /** Oldest first. */
  readonly lines: readonly LogLine[]
  /** Where the next lines will be. */
  readonly place: string
  /** False when the bound on what is looked at came before the beginning, or the end. */
  readonly complete: boolean
  /** Names of packed files that could not be unpacked (to their end): what they hold is not in the answer. */
  readonly unread: readonly string[]
}

export interface LogBudget {
  readonly lines: number
  /** Bytes of log looked at, unpacked; it is overstepped by one piece of a file at most. */
  readonly bytes: number
}

/** What one asking may still look at. The size of a file says little: a packed one grew by 76 times. */
interface Meter {
  left: number
  /** There was more to look at than it may. */
  spent: boolean
}

const newline = 10
/** Longer lines are not ours: our writer cuts at a quarter of this. */
const longestBytes = 64 * 1024
/** The file that is written is read from its end in windows that grow, so that its last lines cost little. */
const firstWindow = 1024 * 1024
const windowGrowth = 8

export const formatPlace = ({ file, offset }: LogPlace): string => `${file}:${offset}`

/** @throws Failure `invalid` for what is no place. */
export const parsePlace = (text: string): LogPlace => {
  const [, file, offset] = /^([0-9]{1,9}):([0-9]{1,15})$/.exec(text) ?? []
  if (file === undefined || offset === undefined)
    throw new Failure('invalid', 'after must be the `place` of an earlier answer')
  return { file: Number(file), offset: Number(offset) }
}

/** A text that JSON writes as it is: then the raw line holds it wherever the message does. */
const isPlainJson = (text: string): boolean => JSON.stringify(text).length === text.length + 2

const agentId = /^([^/]+)\/([0-9]+)$/

const mayCover = (text: string, id: string): boolean => {
  const type = agentId.exec(id)?.[1]
  return type !== undefined && text.includes(`"agents":"${type}/`)
}

/** What a cell printed before it was up is about all its agents, `settler/0001-0100, 0103`: of each, it is shown. */
const covers = ({ agent, fields }: LogLine, id: string): boolean => {
  const { agents } = (fields ?? {}) as { readonly agents?: unknown }
  const [, type, digits] = agentId.exec(id) ?? []
  if (agent !== undefined || type === undefined || typeof agents !== 'string') return false
  if (!agents.startsWith(`${type}/`)) return false
  const number = Number(digits)
  return agents
    .slice(type.length + 1)
    .split(', ')
    .some((range) => {
      const [, from, to] = /^([0-9]+)(?:-([0-9]+))?/.exec(range) ?? []
      return from !== undefined && number >= Number(from) && number <= Number(to ?? from)
    })
}

/**
 * Whether a line is asked for. The raw text is looked at first: for 390,000 lines that takes 35 ms, reading their JSON
 * 290 ms.
 */
const chosen = ({ id, grep, level, sinceMs }: LogAsk, text: string): LogLine | undefined => {
  if (id !== null && !text.includes(id) && !mayCover(text, id)) return undefined
  const inRaw = grep === null || text.includes(grep)
  if (!inRaw && isPlainJson(grep)) return undefined
  const line = readLine(text)
  if (line === undefined || line.level < level || (sinceMs !== null && line.time < sinceMs)) return undefined
  if (id !== null && id !== line.agent && id !== line.cell && id !== line.room && !covers(line, id)) return undefined
  return inRaw || line.msg.includes(grep) ? line : undefined
}

interface Whole {
  /** Null: the part of something that is too long to be a line of ours. */
  readonly text: string | null
  /** Offset of the byte after its end. */
  readonly end: number
}

/** Whole lines of a file from an offset; a line without an end is not there yet. */
async function* wholeLines(pieces: AsyncIterable<Uint8Array>, from: number, meter: Meter): AsyncGenerator<Whole, void> {
  let rest: Uint8Array = new Uint8Array(0)
  let dropping = false
  let at = from
  for await (const chunk of pieces) {
    meter.spent ||= meter.left <= 0
    if (meter.spent) return
    meter.left -= chunk.length
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (;;) {
      const end = bytes.indexOf(newline, start)
      if (end < 0) break
      const text = dropping ? null : Buffer.from(bytes.subarray(start, end)).toString('utf8')
      yield { text, end: at + end + 1 }
      dropping = false
      start = end + 1
    }
    at += start
    rest = bytes.subarray(start)
    if (rest.length <= longestBytes) continue
    at += rest.length
    rest = new Uint8Array(0)
    dropping = true
    yield { text: null, end: at }
  }
}

/** What is asked for, what may be looked at for it, and the names of what could not be read. */
interface Asking {
  readonly folder: Folder
  readonly ask: LogAsk
  readonly meter: Meter
  readonly unread: Set<string>
}

/**
 * The same of one of the log's files. A packed one that is broken ends where it breaks, and is named in `unread`; what
 * is skipped at its beginning is unpacked without being counted, at most one of our files.
 */
async function* linesIn({ folder, meter, unread }: Asking, file: LogFile, from: number): AsyncGenerator<Whole, void> {
  try {
    yield* wholeLines(folder.read(file.name, from), from, meter)
  } catch (error) {
    if (!file.packed) throw error
    unread.add(file.name)
  }
}

interface Tail {
  readonly lines: LogLine[]
  /** Offset after the last whole line. */
  readonly end: number
}

/** The last lines of a file that are asked for, at most so many. */
const lastOf = async (asking: Asking, file: LogFile, from: number, most: number): Promise<Tail> => {
  let lines: LogLine[] = []
  let end = from
  // Cut in the middle of the file, the first line is only a part of one.
  let partial = from > 0
  for await (const { text, end: after } of linesIn(asking, file, from)) {
    end = after
    const line = partial || text === null ? undefined : chosen(asking.ask, text)
    partial &&= text === null
    if (line === undefined) continue
    lines.push(line)
    if (lines.length >= 2 * most) lines = lines.slice(-most)
  }
  return { lines: lines.slice(-most), end }
}

/** A packed file can be read from its beginning alone: without its end, what was found would leave a gap behind it. */
const lastOfPacked = async (asking: Asking, file: LogFile, most: number): Promise<Tail> => {
  const tail = await lastOf(asking, file, 0, most)
  return asking.meter.spent ? { ...tail, lines: [] } : tail
}

/** Windows from the end of a plain file, growing, until there are enough lines, all was read, or no more may be. */
const lastByWindows = async (asking: Asking, file: LogFile, most: number): Promise<Tail> => {
  const { ask, meter } = asking
  for (let wanted = firstWindow; ; wanted *= windowGrowth) {
    const window = Math.min(wanted, meter.left)
    const from = Math.max(0, file.bytes - window)
    const tail = await lastOf(asking, file, from, most)
    if (from === 0 || tail.lines.length >= most) return tail
    if (ask.sinceMs !== null && tail.lines.length === 0 && file.changedMs < ask.sinceMs) return tail
    meter.spent ||= meter.left <= 0
    if (meter.spent) return tail
  }
}

/** The newest lines that are asked for, at most `budget.lines`. */
export const lastLines = async (folder: Folder, ask: LogAsk, budget: LogBudget): Promise<LogPage> => {
  const files = logFiles(await folder.list())
  const meter: Meter = { left: budget.bytes, spent: false }
  const asking = { folder, ask, meter, unread: new Set<string>() }
  const lines: LogLine[] = []
  let place: LogPlace | undefined
  for (const file of files.toReversed()) {
    // A file that was last written before the wanted time holds nothing of it, and so do those before it.
    if (place !== undefined && ask.sinceMs !== null && file.changedMs < ask.sinceMs) break
    meter.spent ||= meter.left <= 0 && place !== undefined
    if (meter.spent) break
    const most = budget.lines - lines.length
    const tail = await (file.packed ? lastOfPacked(asking, file, most) : lastByWindows(asking, file, most))
    place ??= { file: file.number, offset: tail.end }
    lines.unshift(...tail.lines)
    if (lines.length >= budget.lines) break
  }
  return { lines, place: formatPlace(place!), complete: !meter.spent, unread: [...asking.unread] }
}

/** `moved`: a file was rotated or packed away under our hands, and what was read may be of another, or lack some. */
type Followed = LogPage & { readonly moved: boolean }

const follow = async (folder: Folder, ask: LogAsk, from: LogPlace, budget: LogBudget): Promise<Followed> => {
  const files = logFiles(await folder.list())
  const written = files.at(-1)!.number
  const meter: Meter = { left: budget.bytes, spent: false }
  const asking = { folder, ask, meter, unread: new Set<string>() }
  const lines: LogLine[] = []
  let { file: number, offset } = from
  let full = false
  let vanished = false
  for (const file of files) {
    if (file.number < from.file) continue
    if (file.number > number) [number, offset] = [file.number, 0]
    for await (const { text, end } of linesIn(asking, file, offset)) {
      offset = end
      const line = text === null ? undefined : chosen(ask, text)
      if (line !== undefined) lines.push(line)
      full = lines.length >= budget.lines
      if (full) break
    }
    if (full || meter.spent) break
    vanished ||= !file.packed && file.number < written && offset < file.bytes
  }
  const moved = vanished || logFiles(await folder.list()).at(-1)!.number !== written
  const complete = !full && !meter.spent
  return { lines, place: formatPlace({ file: number, offset }), complete, moved, unread: [...asking.unread] }
}

/** A file whose end was torn off by a crash looks like one that was packed away: it is believed the third time. */
const followTries = 3

/**
 * The lines that follow a place, at most `budget.lines`. Goes from file to file as they were rotated; a place in a file
 * that is gone by now goes on with the oldest that is there.
 */
export const linesAfter = async (folder: Folder, ask: LogAsk, from: LogPlace, budget: LogBudget): Promise<LogPage> => {
  for (let tries = 1; ; tries += 1) {
    const { moved, ...page } = await follow(folder, ask, from, budget)
    if (!moved || tries >= followTries) return page
  }
}

/** Where the first line from a time on may be: the beginning of the oldest file that was written after it. */
export const placeSince = async (folder: Folder, sinceMs: number): Promise<LogPlace> => {
  const files = logFiles(await folder.list())
  const first = files.find((file) => file.changedMs >= sinceMs) ?? files.at(-1)!
  return { file: first.number, offset: 0 }
}
