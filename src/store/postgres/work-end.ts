/**
 * The one place where tasks' rows take their next state, any number at once: with it go the dead letters of those that
 * died and the fate of those that come after one that ended.
 */
import { isTaskEnd, type TaskState } from '../../model/model.ts'
import type { EndingRow, Writing } from '../sqlite/work-end.ts'
import type { Ended } from '../sqlite/work-after.ts'
import { columns, type Session } from './session.ts'
import { settleDependants } from './work-after.ts'

export interface Step {
  readonly row: EndingRow
  readonly next: TaskState
  readonly writing: Writing
}

const attemptsAfter = ({ row, writing }: Step): number => row.attempts + (writing.counts ? 1 : 0)
const asJson = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

const update = `
UPDATE tasks AS t SET state = s.state, reason = s.reason, until_ms = s.until_ms, attempt = NULL,
  agent = COALESCE(s.agent, t.agent), attempts = s.attempts, deaths = s.deaths, result = COALESCE(s.result, t.result),
  error = s.error, updated_ms = s.updated_ms
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
  $9::text[], $10::bigint[])
  AS s (seq, state, reason, until_ms, agent, attempts, deaths, result, error, updated_ms)
WHERE t.seq = s.seq`

const write = (session: Session, steps: readonly Step[]): Promise<number> => {
  const cells = columns(
    steps,
    ({ row }) => row.seq,
    ({ next }) => next.state,
    ({ next }) => (next.state === 'waiting' ? next.reason : null),
    ({ next }) => (next.state === 'waiting' ? next.untilMs : null),
    ({ row }) => row.agent,
    attemptsAfter,
    ({ row, writing }) => row.deaths + (writing.deadly ? 1 : 0),
    ({ writing }) => writing.result,
    ({ writing }) => asJson(writing.error),
    ({ writing }) => writing.wallMs,
  )
  return session.run(update, ...cells)
}

const errorText = ({ writing: { error } }: Step): string =>
  error === null ? '' : `${error.name} ${error.message} ${error.code ?? ''}`.toLowerCase()

const bury = (session: Session, dead: readonly Step[]): Promise<number> => {
  const cells = columns(
    dead,
    ({ row }) => row.id,
    ({ row }) => row.type,
    ({ row }) => row.life,
    ({ writing: { event } }) => (event.event === 'give-up' ? event.reason : 'permanent'),
    ({ writing }) => writing.outcome,
    ({ writing }) => asJson(writing.error),
    errorText,
    attemptsAfter,
    ({ row }) => row.version,
    ({ writing }) => writing.wallMs,
  )
  return session.run(
    `INSERT INTO dead_letters (task, type, life, reason, outcome, error, error_text, attempts, version, died_ms)
     SELECT task, type, life, reason, outcome, error, error_text, attempts, version, died_ms
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
       $9::bigint[], $10::bigint[]) WITH ORDINALITY
       AS d (task, type, life, reason, outcome, error, error_text, attempts, version, died_ms, at) ORDER BY at`,
    ...cells,
  )
}

const nothing: readonly string[] = []

/** For each step the agent types that have more to do now. The rows are different tasks. */
export const writeStates = async (
  session: Session,
  steps: readonly Step[],
): Promise<readonly (readonly string[])[]> => {
  if (steps.length === 0) return []
  const dead = steps.filter(({ next }) => next.state === 'dead')
  await Promise.all([write(session, steps), ...(dead.length > 0 ? [bury(session, dead)] : [])])
  const readied: (readonly string[])[] = []
  for (const { row, next, writing } of steps) {
    const decides = row.awaited === 1 && isTaskEnd(next.state)
    const end = { id: row.id, state: next.state as Ended['state'] }
    readied.push(decides ? await settleDependants(session, end, writing.wallMs) : nothing)
  }
  return readied
}
