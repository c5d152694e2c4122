/**
 * The one place where a task's row takes its next state: with it go the dead letter of one that died and the fate of
 * those that come after one that ended.
 */
import { isTaskEnd, type AttemptOutcome, type ErrorReport, type TaskState } from '../../model/model.ts'
import type { Finish } from '../commands/work.ts'
import type { TaskRow } from './rows.ts'
import type { Session } from './session.ts'
import { settleDependants, type Ended } from './work-after.ts'

/** What an end needs to know of the task. */
export type EndingRow = Pick<
  TaskRow,
  'seq' | 'id' | 'type' | 'state' | 'attempts' | 'deaths' | 'life' | 'version' | 'awaited'
>

/** What led to the next state; `result` and `error` are those of the attempt, when there was one. */
export interface Writing extends Pick<Finish, 'result' | 'error' | 'counts' | 'deadly' | 'event'> {
  readonly outcome: Finish['outcome'] | null
  readonly wallMs: number
}

/** A step that no attempt led to. */
export const silent = { result: null, counts: false, deadly: false, outcome: null } as const

export const errorOf = (row: TaskRow): ErrorReport | null =>
  row.error === null ? null : (JSON.parse(row.error) as ErrorReport)

/** Another version of a task's payload; the one it had is kept, with who replaced it. */
export const replacePayload = (
  session: Session,
  row: Pick<TaskRow, 'seq' | 'id' | 'version' | 'payload'>,
  { payload, actor, wallMs }: { readonly payload: string; readonly actor: string; readonly wallMs: number },
): void => {
  session.run(
    'INSERT INTO payloads (task, version, payload, actor, replaced_ms) VALUES (?, ?, ?, ?, ?)',
    row.id,
    row.version,
    row.payload,
    actor,
    wallMs,
  )
  session.run('UPDATE tasks SET payload = ?, version = version + 1 WHERE seq = ?', payload, row.seq)
}

interface AttemptEnd {
  readonly outcome: AttemptOutcome
  readonly error: ErrorReport | null
  readonly wallMs: number
}

/** Ends the attempt that a running task's row holds. */
export const endAttempt = (session: Session, seq: number, { outcome, error, wallMs }: AttemptEnd): void => {
  session.run(
    'UPDATE tasks SET outcome = ?, attempt_error = ?, ended_ms = ? WHERE seq = ?',
    outcome,
    error === null ? null : JSON.stringify(error),
    wallMs,
    seq,
  )
  session.tallies.attempt(outcome)
}

/** Makes room for another attempt, or another life: the one that the row holds goes to those before it. */
export const archiveAttempt = (session: Session, seq: number): void => {
  session.run(
    `INSERT INTO past_attempts (task_seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms,
      ended_ms, outcome, late_outcome, late_ms, error)
     SELECT seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms, ended_ms, outcome,
      late_outcome, late_ms, attempt_error FROM tasks WHERE seq = ? AND started_ms IS NOT NULL`,
    seq,
  )
  session.run(
    `UPDATE tasks SET number = NULL, started_ms = NULL, ended_ms = NULL, outcome = NULL, late_outcome = NULL,
      late_ms = NULL, attempt_error = NULL WHERE seq = ?`,
    seq,
  )
}

const bury = (session: Session, row: EndingRow, attempts: number, { event, error, outcome, wallMs }: Writing): void => {
  session.run(
    `INSERT INTO dead_letters (task, type, life, reason, outcome, error, error_text, attempts, version, died_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.type,
    row.life,
    event.event === 'give-up' ? event.reason : 'permanent',
    outcome,
    error === null ? null : JSON.stringify(error),
    error === null ? '' : `${error.name} ${error.message} ${error.code ?? ''}`.toLowerCase(),
    attempts,
    row.version,
    wallMs,
  )
}

const nothing: readonly string[] = []

/** Gives the agent types that have more to do now. */
export const writeState = (session: Session, row: EndingRow, next: TaskState, writing: Writing): readonly string[] => {
  const attempts = row.attempts + (writing.counts ? 1 : 0)
  session.run(
    `UPDATE tasks SET state = ?, reason = ?, until_ms = ?, waits_for = ?, attempts = ?, deaths = ?,
      result = COALESCE(?, result), error = ?, updated_ms = ? WHERE seq = ?`,
    next.state,
    next.state === 'waiting' ? next.reason : null,
    next.state === 'waiting' ? next.untilMs : null,
    next.state === 'waiting' ? (next.waitsFor ?? null) : null,
    attempts,
    row.deaths + (writing.deadly ? 1 : 0),
    writing.result,
    writing.error === null ? null : JSON.stringify(writing.error),
    writing.wallMs,
    row.seq,
  )
  session.tallies.task(row.type, row.state, next.state)
  if (next.state === 'dead') bury(session, row, attempts, writing)
  if (row.awaited === 0 || !isTaskEnd(next.state)) return nothing
  return settleDependants(session, [{ id: row.id, state: next.state as Ended['state'] }], writing.wallMs)
}
