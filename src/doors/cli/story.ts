/** Time lines, attempts and errors as lines: the parts that every `describe` ends with. */
import type { ErrorReport } from '../../model/model.ts'
import type { AttemptView, EventView } from '../../store/store.ts'
import { factLines, tableLines } from './table.ts'
import { age, at, duration, plain, plainLines } from './text.ts'

export type Fact = readonly [string, string]

/** Facts whose value is known; null and undefined are left away. */
export const facts = (pairs: readonly (readonly [string, string | null | undefined])[]): string[] =>
  factLines(pairs.filter((pair): pair is Fact => pair[1] !== null && pair[1] !== undefined))

export const section = (title: string, lines: readonly string[]): string[] => [
  '',
  title,
  ...(lines.length === 0 ? ['  none'] : lines.map((line) => `  ${line}`)),
]

export const eventLine = (event: EventView): string =>
  [
    at(event.wallMs),
    event.level.padEnd(5),
    plain(event.kind).padEnd(17),
    plain(event.subject),
    plain(event.message),
  ].join('  ')

/** What was done, and which payload is the rest. */
const partLines = ({ partial }: ErrorReport): string[] => {
  if (partial === undefined) return []
  const done =
    partial.done === undefined ? 'part of it is done' : `done: ${JSON.stringify(partial.done).slice(0, 2_000)}`
  const rest = partial.restVersion === undefined ? '' : `; the rest is payload version ${partial.restVersion}`
  return [plain(`${done}${rest}`)]
}

export const errorText = (error: ErrorReport): string[] => {
  const code = error.code === undefined ? '' : ` [${error.code}]`
  const head = plain(`${error.name}: ${error.message}${code}`)
  // The first line of a stack repeats name and message.
  return [head, ...partLines(error), ...(error.stack === undefined ? [] : plainLines(error.stack).slice(1, 12))]
}

export const attemptLines = (attempts: readonly AttemptView[], nowMs: number): string[] =>
  tableLines(
    attempts,
    [
      { head: 'TRY', value: (attempt) => String(attempt.number), align: 'right' },
      { head: 'ATTEMPT', value: (attempt) => attempt.id },
      { head: 'TASK', value: (attempt) => attempt.task },
      { head: 'AGENT', value: (attempt) => attempt.agent },
      { head: 'BEGAN', value: (attempt) => age(nowMs, attempt.startedMs) },
      {
        head: 'TOOK',
        value: (attempt) => (attempt.endedMs === null ? 'running' : duration(attempt.endedMs - attempt.startedMs)),
      },
      { head: 'OUTCOME', value: (attempt) => attempt.outcome ?? 'none yet' },
      { head: 'ERROR', value: (attempt) => (attempt.error === null ? '' : attempt.error.message) },
    ],
    null,
  )

/** What hosts left about their ends: whom it points at, and where the loop was. Written inside a cell, so as data. */
export const witnessLines = (events: readonly EventView[]): string[] =>
  events.flatMap(({ kind, wallMs, facts: { witness } }) => {
    if (kind !== 'cell.lost' || typeof witness !== 'object' || witness === null) return []
    const { kind: what, agent, stack } = witness as { readonly kind?: unknown; agent?: unknown; stack?: unknown }
    const who = typeof agent === 'string' ? agent : 'unknown'
    const frames = Array.isArray(stack) ? stack.slice(0, 12).map((frame) => `    at ${plain(String(frame))}`) : []
    const held = what === 'memory' ? 'who ran while the memory grew' : 'who held the loop'
    return [`${at(wallMs)}  ${held}: ${plain(who)}`, ...frames]
  })
