/**
 * Reads the log's files, with or without a sitter, newest or from a place on. Filters are values that are compared,
 * never patterns: no line of an agent and no wish of a reader can make a search slow. Reads are in chunks with a bound
 * on what one asking may look at; an answer that stopped there says so.
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
  /** Bytes of log looked at. */
  readonly bytes: number
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
  readonly text: string
  /** Offset of the byte after its end. */
  readonly end: number
}

/** Whole lines of a file from an offset; a line without an end is not there yet. */
async function* wholeLines(folder: Folder, name: string, from: number): AsyncGenerator<Whole, void> {
  let rest: Uint8Array = new Uint8Array(0)
  let dropping = false
  let at = from
  for await (const chunk of folder.read(name, from)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (;;) {
      const end = bytes.indexOf(newline, start)
      if (end < 0) break
      if (!dropping) yield { text: Buffer.from(bytes.subarray(start, end)).toString('utf8'), end: at + end + 1 }
      dropping = false
      start = end + 1
    }
    at += start
    rest = bytes.subarray(start)
    if (rest.length <= longestBytes) continue
    at += rest.length
    rest = new Uint8Array(0)
    dropping = true
  }
}

/** The same of one of the log's files. A packed one that is broken ends where it breaks, and is named in `unread`. */
async function* linesIn(folder: Folder, file: LogFile, from: number, unread: Set<string>): AsyncGenerator<Whole, void> {
  try {
    yield* wholeLines(folder, file.name, from)
  } catch (error) {
    if (!file.packed) throw error
    unread.add(file.name)
  }
}

/** What is asked for, and the names of what could not be read. */
interface Asking {
  readonly folder: Folder
  readonly ask: LogAsk
  readonly unread: Set<string>
}

interface Tail {
  readonly lines: LogLine[]
  /** Offset after the last whole line. */
  readonly end: number
}

/** The last lines of a file that are asked for, at most so many. */
const lastOf = async ({ folder, ask, unread }: Asking, file: LogFile, from: number, most: number): Promise<Tail> => {
  let lines: LogLine[] = []
  let end = from
  // Cut in the middle of the file, the first line is only a part of one.
  let partial = from > 0
  for await (const whole of linesIn(folder, file, from, unread)) {
    end = whole.end
    const line = partial ? undefined : chosen(ask, whole.text)
    partial = false
    if (line === undefined) continue
    lines.push(line)
    if (lines.length >= 2 * most) lines = lines.slice(-most)
  }
  return { lines: lines.slice(-most), end }
}

/** Windows from the end of a plain file, growing, until there are enough lines or all of it was read. */
const lastByWindows = async (asking: Asking, file: LogFile, most: number): Promise<Tail> => {
  const { sinceMs } = asking.ask
  for (let window = firstWindow; ; window *= windowGrowth) {
    const from = Math.max(0, file.bytes - window)
    const tail = await lastOf(asking, file, from, most)
    if (from === 0 || tail.lines.length >= most) return tail
    if (sinceMs !== null && tail.lines.length === 0 && file.changedMs < sinceMs) return tail
  }
}

/** The newest lines that are asked for, at most `budget.lines`. */
export const lastLines = async (folder: Folder, ask: LogAsk, budget: LogBudget): Promise<LogPage> => {
  const files = logFiles(await folder.list())
  const asking = { folder, ask, unread: new Set<string>() }
  const lines: LogLine[] = []
  let bytes = 0
  let place: LogPlace | undefined
  let complete = true
  for (const file of files.toReversed()) {
    // A file that was last written before the wanted time holds nothing of it, and so do those before it.
    if (place !== undefined && ask.sinceMs !== null && file.changedMs < ask.sinceMs) break
    if (bytes + file.bytes > budget.bytes && place !== undefined) {
      complete = false
      break
    }
    const most = budget.lines - lines.length
    const tail = await (file.packed ? lastOf(asking, file, 0, most) : lastByWindows(asking, file, most))
    place ??= { file: file.number, offset: tail.end }
    lines.unshift(...tail.lines)
    bytes += file.bytes
    if (lines.length >= budget.lines) break
  }
  return { lines, place: formatPlace(place!), complete, unread: [...asking.unread] }
}

/** `moved`: a file was rotated or packed away under our hands, and what was read may be of another, or lack some. */
type Followed = LogPage & { readonly moved: boolean }

const follow = async (folder: Folder, ask: LogAsk, from: LogPlace, budget: LogBudget): Promise<Followed> => {
  const files = logFiles(await folder.list())
  const written = files.at(-1)!.number
  const unread = new Set<string>()
  const lines: LogLine[] = []
  let { file: number, offset } = from
  let looked = 0
  let spent = false
  let vanished = false
  for (const file of files) {
    if (file.number < from.file) continue
    if (file.number > number) [number, offset] = [file.number, 0]
    const begun = offset
    for await (const whole of linesIn(folder, file, offset, unread)) {
      offset = whole.end
      const line = chosen(ask, whole.text)
      if (line !== undefined) lines.push(line)
      spent = lines.length >= budget.lines || looked + offset - begun >= budget.bytes
      if (spent) break
    }
    if (spent) break
    looked += offset - begun
    vanished ||= !file.packed && file.number < written && offset < file.bytes
  }
  const moved = vanished || logFiles(await folder.list()).at(-1)!.number !== written
  return { lines, place: formatPlace({ file: number, offset }), complete: !spent, moved, unread: [...unread] }
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
