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

/** Depth of nesting of a JSON text, counted outside strings, without parsing it. */
const depthWithin = (text: string, most: number): boolean => {
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

const shownBytes = 60
const beginning = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, shownBytes)).toString().trim()

/** Gives a reader: call it with each chunk. Never holds more than one frame's bound plus one chunk. */
export const lineReader = (limits: LineBounds, events: LineEvents): ((chunk: Uint8Array) => void) => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let parts: Uint8Array[] = []
  let held = 0
  let dropping = false

  const one = (bytes: Uint8Array): void => {
    let text: string
    try {
      text = decoder.decode(bytes)
    } catch {
      return events.refused('frame-invalid', 'a frame must be UTF-8', beginning(bytes))
    }
    if (text.trim() === '') return
    if (!depthWithin(text, limits.jsonDepth))
      return events.refused('frame-too-deep', `a frame may nest ${limits.jsonDepth} levels`, beginning(bytes))
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return events.refused('frame-invalid', 'a frame must be one JSON object on one line', beginning(bytes))
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return events.refused('frame-invalid', 'a frame must be a JSON object', beginning(bytes))
    events.object(value as Record<string, unknown>)
  }

  const overflow = (piece: Uint8Array): void => {
    const line = beginning(parts[0] ?? piece)
    if (!dropping) events.refused('frame-too-large', `a frame may have ${limits.frameBytes} bytes`, line)
    dropping = true
    parts = []
    held = 0
  }

  return (chunk) => {
    let from = 0
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      const piece = chunk.subarray(from, at)
      from = at + 1
      if (dropping) {
        dropping = false
        continue
      }
      if (held + piece.length > limits.frameBytes) {
        overflow(piece)
        dropping = false
        continue
      }
      if (parts.length === 0) one(piece)
      else {
        parts.push(piece)
        const whole = Buffer.concat(parts)
        parts = []
        held = 0
        one(whole)
      }
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
