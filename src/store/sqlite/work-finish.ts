/** SQL of the ends of attempts: told by agents, decided by the sitter, or found open by the next one. */
import { attemptId, nextTaskState, parseAttemptId, withRestVersion, type ErrorReport } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { AttemptOpen, AttemptsFinish, AttemptsRecover, Finish, Finished } from '../commands/work.ts'
import { mostRests } from '../commands/work.ts'
import { taskState, type AttemptRow, type TaskRow } from './rows.ts'
import { done, refuse, type Session } from './session.ts'
import { endAttempt, replacePayload, writeState } from './work-end.ts'

const nothingReadied: readonly string[] = []

/**
 * Most attempts succeed, and nobody waits for their task: then one statement looks whether the attempt still owns its
 * task and ends both. False when it is another case; then nothing was written.
 */
const succeedOne = (session: Session, finish: Finish, at: { task: string; fence: number }, wallMs: number): boolean => {
  const ended = session.run(
    `UPDATE tasks SET state = 'succeeded', reason = NULL, until_ms = NULL, attempts = attempts + 1, result = ?1,
      error = NULL, outcome = 'succeeded', ended_ms = ?2, updated_ms = ?2
     WHERE id = ?3 AND fence = ?4 AND state = 'running' AND awaited = 0`,
    finish.result,
    wallMs,
    at.task,
    at.fence,
  )
  if (ended === 0) return false
  session.tallies.task(finish.type, 'running', 'succeeded')
  session.tallies.attempt('succeeded')
  return true
}

/** An attempt that had ended before: told again, or too late. Only what came late is noted. */
const afterItsEnd = (session: Session, finish: Finish, row: AttemptRow, wallMs: number): Finished['outcome'] => {
  if (row.outcome === finish.outcome) return 'repeat'
  const newest = session.run(
    'UPDATE tasks SET late_outcome = ?, late_ms = ? WHERE seq = ? AND fence = ? AND started_ms IS NOT NULL',
    finish.outcome,
    wallMs,
    row.seq,
    row.fence,
  )
  if (newest === 0) {
    session.run(
      'UPDATE past_attempts SET late_outcome = ?, late_ms = ? WHERE task_seq = ? AND fence = ?',
      finish.outcome,
      wallMs,
      row.seq,
      row.fence,
    )
  }
  return 'stale'
}

/** What is left becomes the payload. Gives the report as it is kept. */
const leaveRest = (session: Session, { rest, error }: Finish, row: TaskRow, wallMs: number): ErrorReport | null => {
  if (rest === undefined) return error
  replacePayload(session, row, { ...rest, wallMs })
  session.run(
    "DELETE FROM payloads WHERE task = ? AND version > 1 AND version <= ? AND actor GLOB 'agent:*'",
    row.id,
    row.version - mostRests,
  )
  session.tallies.partial(row.type)
  return error === null ? null : withRestVersion(error, row.version + 1)
}

const finishOne = (session: Session, finish: Finish, wallMs: number): Finished => {
  const at = parseAttemptId(finish.attempt)
  const answer = (outcome: Finished['outcome'], readied = nothingReadied): Finished => ({
    attempt: finish.attempt,
    task: outcome === 'not-found' ? '' : (at?.task ?? ''),
    outcome,
    readied,
  })
  if (at === undefined) return answer('not-found')
  if (finish.event.event === 'succeed' && succeedOne(session, finish, at, wallMs)) return answer('done')
  const attempt = session.one<AttemptRow>('SELECT * FROM attempts WHERE task = ? AND fence = ?', at.task, at.fence)
  if (attempt === undefined) return answer('not-found')
  if (attempt.ended_ms !== null) return answer(afterItsEnd(session, finish, attempt, wallMs))
  const row = session.one<TaskRow>('SELECT * FROM tasks WHERE id = ?', at.task)!
  // The row holds the newest attempt: an older one that was never ended must not end that one.
  if (row.fence !== at.fence) return answer('stale')
  const next = nextTaskState(taskState(row), finish.event)
  const error = next === undefined ? finish.error : leaveRest(session, finish, row, wallMs)
  endAttempt(session, row.seq, { outcome: finish.outcome, error, wallMs })
  if (next === undefined) return answer('stale')
  return answer('done', writeState(session, row, next, { ...finish, error, wallMs }))
}

export const attemptOpen = (session: Session, { attempt }: AttemptOpen['with']): Result<null> => {
  const at = parseAttemptId(attempt)
  const row =
    at &&
    session.one<Pick<AttemptRow, 'ended_ms'>>(
      'SELECT ended_ms FROM attempts WHERE task = ? AND fence = ?',
      at.task,
      at.fence,
    )
  return row === undefined || row.ended_ms === null ? done(null) : refuse('stale', `${attempt} has ended`)
}

export const attemptsFinish = (session: Session, { finishes, wallMs }: AttemptsFinish['with']): Result<Finished[]> =>
  done(finishes.map((finish) => finishOne(session, finish, wallMs)))

const interrupted: ErrorReport = { name: 'Interrupted', message: 'the sitter that gave this attempt ended' }

export const attemptsRecover = (
  session: Session,
  { owner, epoch, wallMs }: AttemptsRecover['with'],
): Result<{ interrupted: number }> => {
  const open = session.all<{ id: string; type: string; fence: number }>(
    "SELECT id, type, fence FROM tasks WHERE state = 'running' AND owner = ? AND epoch < ? ORDER BY seq",
    owner,
    epoch,
  )
  for (const { id, type, fence } of open) {
    finishOne(
      session,
      {
        attempt: attemptId(id, fence),
        type,
        outcome: 'interrupted',
        result: null,
        error: interrupted,
        event: { event: 'interrupt' },
        counts: false,
        deadly: false,
      },
      wallMs,
    )
  }
  return done({ interrupted: open.length })
}
