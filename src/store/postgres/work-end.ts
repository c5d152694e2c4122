/**
 * The one place where tasks' rows take their next state, any number at once: with it go the dead letters of those that
 * died and the fate of those that come after one that ended.
 */
import { isTaskEnd, type AttemptOutcome, type ErrorReport, type TaskState } from '../../model/model.ts'
import type { EndingRow, Writing } from '../sqlite/work-end.ts'
import type { Ended } from '../sqlite/work-after.ts'
import { columns, type Session } from './session.ts'
import { settleDependants } from './work-after.ts'

export interface Step {
  readonly row: EndingRow
  readonly next: TaskState
  readonly writing: Writing
  /** The attempt that the row holds ends with this step. */
  readonly ends?: { readonly outcome: AttemptOutcome; readonly error: ErrorReport | null } | undefined
}

const attemptsAfter = ({ row, writing }: Step): number => row.attempts + (writing.counts ? 1 : 0)
const asJson = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

/** What an attempt is made of where it is no longer its task's newest. */
export const pastColumns = `task_seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms, ended_ms,
  outcome, late_outcome, late_ms, error`
/** The same, of a task's row. */
export const pastOfTask = `seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms, ended_ms,
  outcome, late_outcome, late_ms, attempt_error`

const update = `
UPDATE tasks AS t SET state = s.state, reason = s.reason, until_ms = s.until_ms, waits_for = s.waits_for,
  attempts = s.attempts, deaths = s.deaths, result = COALESCE(s.result, t.result), error = s.error,
  updated_ms = s.updated_ms,
  outcome = COALESCE(s.outcome, t.outcome),
  ended_ms = CASE WHEN s.outcome IS NULL THEN t.ended_ms ELSE s.updated_ms END,
  attempt_error = CASE WHEN s.outcome IS NULL THEN t.attempt_error ELSE s.attempt_error END
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
  $9::bigint[], $10::text[], $11::text[], $12::text[])
  AS s (seq, state, reason, until_ms, attempts, deaths, result, error, updated_ms, outcome, attempt_error,
    waits_for)
WHERE t.seq = s.seq`

const write = (session: Session, steps: readonly Step[]): Promise<number> => {
  const cells = columns(
    steps,
    ({ row }) => row.seq,
    ({ next }) => next.state,
    ({ next }) => (next.state === 'waiting' ? next.reason : null),
    ({ next }) => (next.state === 'waiting' ? next.untilMs : null),
    attemptsAfter,
    ({ row, writing }) => row.deaths + (writing.deadly ? 1 : 0),
    ({ writing }) => writing.result,
    ({ writing }) => asJson(writing.error),
    ({ writing }) => writing.wallMs,
    ({ ends }) => ends?.outcome ?? null,
    ({ ends }) => asJson(ends?.error ?? null),
    ({ next }) => (next.state === 'waiting' ? (next.waitsFor ?? null) : null),
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

const count = ({ tallies }: Session, steps: readonly Step[]): void => {
  for (const { row, next, ends } of steps) {
    tallies.task(row.type, row.state, next.state)
    if (ends !== undefined) tallies.attempt(ends.outcome)
  }
}

/** Makes room for another life: the attempt that the row holds goes to those before it. */
export const archiveAttempt = async (session: Session, seq: number): Promise<void> => {
  await session.run(
    `WITH past AS (
       UPDATE tasks AS t SET number = NULL, started_ms = NULL, ended_ms = NULL, outcome = NULL, late_outcome = NULL,
         late_ms = NULL, attempt_error = NULL
       FROM (SELECT * FROM tasks WHERE seq = $1 AND started_ms IS NOT NULL) AS b WHERE t.seq = b.seq RETURNING b.*
     )
     INSERT INTO past_attempts (${pastColumns}) SELECT ${pastOfTask} FROM past`,
    seq,
  )
}

const nothing: readonly string[] = []

/** For each step the agent types that have more to do now. The rows are different tasks. */
export const writeStates = async (
  session: Session,
  steps: readonly Step[],
): Promise<readonly (readonly string[])[]> => {
  if (steps.length === 0) return []
  count(session, steps)
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
