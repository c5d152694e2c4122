/**
 * A line of the log: NDJSON that pino's tools read (`level` a number, `time` in ms, `msg`), with the room, agent and
 * cell that it speaks of. Whatever a program prints becomes exactly one such line; nothing that stands in a message
 * can become a line, a room or an agent of its own.
 */
export const logLevels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const
export type LogLevel = keyof typeof logLevels

export interface LogLine {
  /** 10 trace … 60 fatal. */
  readonly level: number
  /** Wall ms. */
  readonly time: number
  /** Which part of the swarm speaks: `sitter gate watch rehearsal fleet agent`. */
  readonly room: string
  readonly agent?: string
  readonly cell?: string
  readonly msg: string
  readonly [field: string]: unknown
}

/** The sitter's stdout is cut at 16 KiB a line; a line that is longer would no longer be JSON. */
export const longestLine = 16_000
const shortestCut = 200

export const levelNumber = (level: unknown, otherwise: number): number => {
  if (typeof level === 'number' && level >= 0 && level <= 100) return Math.round(level)
  return typeof level === 'string' && Object.hasOwn(logLevels, level) ? logLevels[level as LogLevel] : otherwise
}

export const levelName = (level: number): LogLevel =>
  (Object.keys(logLevels) as LogLevel[]).findLast((name) => logLevels[name] <= level) ?? 'trace'

/**
 * The line as text without its end, at most `longestLine` characters: fields go first, then the end of the message, and
 * `cut: true` says so.
 */
export const lineText = (line: LogLine): string => {
  const whole = JSON.stringify(line)
  if (whole.length <= longestLine) return whole
  const { level, time, room, agent, cell, msg } = line
  for (let length = msg.length; ; length = Math.floor(length / 2)) {
    const kept = {
      level,
      time,
      room: room.slice(0, shortestCut),
      ...(agent !== undefined && { agent: agent.slice(0, shortestCut) }),
      ...(cell !== undefined && { cell: cell.slice(0, shortestCut) }),
      msg: msg.slice(0, length),
      cut: true,
    }
    const text = JSON.stringify(kept)
    if (text.length <= longestLine || length < shortestCut) return text
  }
}

const readObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined // no JSON: the text itself is the message
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** A stored line as it is read; undefined when it is none (a torn end, a stranger's text). */
export const readLine = (text: string): LogLine | undefined => {
  const found = readObject(text)
  if (found === undefined || typeof found['level'] !== 'number' || typeof found['time'] !== 'number') return undefined
  return textOf(found['msg']) === undefined || textOf(found['room']) === undefined ? undefined : (found as LogLine)
}

export interface Printed {
  /** The program of the watch that printed it. */
  readonly program: string
  readonly stream: 'stdout' | 'stderr'
  readonly text: string
  readonly wallMs: number
}

/** What the fleet passes on of agents and hosts is theirs, not the fleet's. */
const roomOf = (program: string, room: string | undefined, source: unknown): string => {
  if (program !== 'sitter' || room === undefined) return program
  return room === 'fleet' && source !== undefined && source !== 'fleet' ? 'agent' : room
}

/** What a program printed as a line of the log. A room other than its own is believed only of the sitter. */
export const lineOf = ({ program, stream, text, wallMs }: Printed): LogLine => {
  const usual = stream === 'stderr' ? logLevels.warn : logLevels.info
  const found = readObject(text)
  if (found === undefined) return { level: usual, time: wallMs, room: program, msg: text }
  const { at, time, level, room, agent, cell, message, msg, ...rest } = found
  const told = [time, at].find((one) => typeof one === 'number')
  return {
    level: levelNumber(level, usual),
    time: told ?? wallMs,
    room: roomOf(program, textOf(room), found['source']),
    ...(typeof agent === 'string' && { agent }),
    ...(typeof cell === 'string' && { cell }),
    msg: textOf(msg) ?? textOf(message) ?? '',
    ...rest,
  }
}
