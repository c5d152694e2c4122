/**
 * NDJSON framing with bounds: bytes in, whole JSON objects out. Size and depth are checked before JSON.parse sees a
 * byte, so that a bomb costs its own length and nothing more. A bad line is reported and skipped; the next line is read
 * as usual.
 */
import type { Code, JsonText } from '../std/std.ts'
import type { Run } from './agent.ts'

export interface LineBounds {
  readonly frameBytes: number
  readonly jsonDepth: number
}

export interface LineEvents {
  object(value: Readonly<Record<string, unknown>>): void
  /** `line`: how it begins, for people. */
  refused(
    code: Extract<Code, 'frame-invalid' | 'frame-too-large' | 'frame-too-deep'>,
    detail: string,
    line: string,
  ): void
}

const newline = 10
/** 256 joins at most for the largest frame of the wire (256 KiB) sent one byte at a time. */
const mostParts = 1_024

/** Whether a text has at most so many of a character: found by the engine's own search, many characters at a time. */
const countWithin = (text: string, character: string, most: number): boolean => {
  let count = 0
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1))
    if ((count += 1) > most) return false
  return true
}

/** Depth of nesting of a JSON text, counted outside strings, without parsing it: 0.8 µs for a frame of 300 bytes. */
const countedWithin = (text: string, most: number): boolean => {
  let depth = 0
  let quoted = false
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charCodeAt(index)
    if (quoted) {
      if (char === 92) index += 1
      else if (char === 34) quoted = false
    } else if (char === 34) quoted = true
    else if (char === 123 || char === 91) {
      depth += 1
      if (depth > most) return false
    } else if (char === 125 || char === 93) depth -= 1
  }
  return true
}

/** What opens fewer objects and lists than it may nest need not be counted, and nearly no frame opens more. */
const depthWithin = (text: string, most: number): boolean =>
  (countWithin(text, '{', most / 2) && countWithin(text, '[', most / 2)) || countedWithin(text, most)

const shownBytes = 60
const beginning = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, shownBytes)).toString().trim()
const start = (text: string): string => text.slice(0, shownBytes).toWellFormed().trim()

/**
 * Gives a reader: call it with each chunk. Never holds more than one frame's bound plus one chunk.
 *
 * A line that is ASCII, as nearly all are, needs no decoder. That and the search for brackets took a frame of 300 bytes
 * from 2.5 µs to 1.2, of which JSON.parse has 0.9.
 */
export const lineReader = (limits: LineBounds, events: LineEvents): ((chunk: Uint8Array) => void) => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let parts: Uint8Array[] = []
  let held = 0
  let dropping = false

  const decoded = (bytes: Uint8Array): void => {
    let text: string
    try {
      text = decoder.decode(bytes)
    } catch {
      return events.refused('frame-invalid', 'a frame must be UTF-8', beginning(bytes))
    }
    one(text)
  }

  const one = (text: string): void => {
    if (text.trim() === '') return
    if (!depthWithin(text, limits.jsonDepth))
      return events.refused('frame-too-deep', `a frame may nest ${limits.jsonDepth} levels`, start(text))
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return events.refused('frame-invalid', 'a frame must be one JSON object on one line', start(text))
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return events.refused('frame-invalid', 'a frame must be a JSON object', start(text))
    events.object(value as Record<string, unknown>)
  }

  const overflow = (piece: Uint8Array): void => {
    const line = beginning(parts[0] ?? piece)
    if (!dropping) events.refused('frame-too-large', `a frame may have ${limits.frameBytes} bytes`, line)
    dropping = true
    parts = []
    held = 0
  }

  /** A line that lies in one chunk: as ASCII, which it is when UTF-8 would need no more bytes; else decoded. */
  const whole = (chunk: Buffer, begin: number, end: number): void => {
    const text = chunk.toString('latin1', begin, end)
    if (Buffer.byteLength(text) === text.length) one(text)
    else decoded(chunk.subarray(begin, end))
  }

  /** A line that ends here and began in an earlier chunk. */
  const last = (piece: Uint8Array): void => {
    parts.push(piece)
    const line = Buffer.concat(parts)
    parts = []
    held = 0
    decoded(line)
  }

  return (given) => {
    const chunk = Buffer.isBuffer(given) ? given : Buffer.from(given.buffer, given.byteOffset, given.byteLength)
    let from = 0
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      const begin = from
      from = at + 1
      if (dropping) {
        dropping = false
      } else if (held + at - begin > limits.frameBytes) {
        overflow(chunk.subarray(begin, at))
        dropping = false
      } else if (parts.length > 0) last(chunk.subarray(begin, at))
      else whole(chunk, begin, at)
    }
    if (dropping || from === chunk.length) return
    const rest = chunk.subarray(from)
    if (held + rest.length > limits.frameBytes) return overflow(rest)
    parts.push(rest)
    held += rest.length
    // A frame that drips in byte by byte must cost its own length, not a piece of bookkeeping for each byte.
    if (parts.length === mostParts) parts = [Buffer.concat(parts)]
  }
}

/** One frame as a line. Objects only; bigint must have been turned into text. */
export const toLine = (frame: object): string => `${JSON.stringify(frame)}\n`

/** As toLine, for `run` with its payload as text, which must be well-formed JSON. */
export const runLine = (run: Run, payload: JsonText): string => {
  const { agent, attempt, task, type, number, deadline, key } = run
  const rest = JSON.stringify({ agent, attempt, task, type, number, deadline, key })
  return `{"jsonrpc":"2.0","method":"run","params":${rest.slice(0, -1)},"payload":${payload.text}}}\n`
}

/** As toLine, for the request `done` with its result as JSON text; undefined = there is no result. */
export const doneLine = (
  id: number,
  { agent, attempt }: { readonly agent: string; readonly attempt: string },
  result: string | undefined,
): string => {
  const said = result === undefined ? '' : `,"result":${result}`
  const who = `"agent":${JSON.stringify(agent)},"attempt":${JSON.stringify(attempt)}`
  return `{"jsonrpc":"2.0","id":${id},"method":"done","params":{${who}${said}}}\n`
}

/** As toLine, the answer to a request that has nothing to say but that it was taken. */
export const takenLine = (id: number | string): string => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":null}\n`
