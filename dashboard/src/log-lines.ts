/** Lines of the log as a page keeps them: the last ones, and what of a line is worth a column. Pure. */
import type { LogAnswer } from '../../src/doors/api.ts'

type Line = LogAnswer['items'][number]

/** What the page holds; the rest is in the files. */
export const linesKept = 1_000

export interface Kept {
  readonly lines: readonly Line[]
  /** How many came before those that are kept, as far as this page has seen them. */
  readonly dropped: number
  readonly place: string
  /** False when the search stopped before the beginning of the log. */
  readonly complete: boolean
  readonly unread: readonly string[]
}

export const withAnswer = (before: Kept | null, answer: LogAnswer): Kept => {
  const all = [...(before?.lines ?? []), ...answer.items]
  const lines = all.slice(-linesKept)
  return {
    lines,
    dropped: (before?.dropped ?? 0) + all.length - lines.length,
    place: answer.place,
    complete: before?.complete ?? answer.complete,
    unread: [...new Set([...(before?.unread ?? []), ...answer.unread])],
  }
}

const told = new Set(['level', 'time', 'room', 'agent', 'cell', 'msg'])

/** The fields beyond those that every line has, as JSON; null when there are none. */
export const moreOf = (line: Line): string | null => {
  const more = Object.entries(line).filter(([name]) => !told.has(name))
  return more.length === 0 ? null : JSON.stringify(Object.fromEntries(more))
}

const names = [
  [60, 'fatal'],
  [50, 'error'],
  [40, 'warn'],
  [30, 'info'],
  [20, 'debug'],
] as const

export const levelWord = (level: number): string => names.find(([from]) => level >= from)?.[1] ?? 'trace'
