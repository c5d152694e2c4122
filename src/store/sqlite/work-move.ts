/** SQL of the steps that no attempt leads to: a time that has come, a deadline that has passed, a person's word. */
import { nextTaskState, taskAfter, type TaskEvent } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { TaskMove, TasksDue, TasksExpire, TasksHold, TasksOpen } from '../commands/work.ts'
import { taskState, type TaskRow } from './rows.ts'
import { done, refuse, type Session } from './session.ts'
import { endAttempt, errorOf, silent, writeState } from './work-end.ts'

type WaitingRow = Pick<TaskRow, 'seq' | 'type' | 'agent_type'>

const makeReady = (
  session: Session,
  rows: readonly WaitingRow[],
  wallMs: number,
): Result<{ ready: number; agentTypes: string[] }> => {
  for (const { seq, type } of rows) {
    session.tallies.task(type, 'waiting', 'ready')
    session.run(
      `UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, waits_for = NULL, updated_ms = ?
       WHERE seq = ?`,
      wallMs,
      seq,
    )
  }
  return done({ ready: rows.length, agentTypes: [...new Set(rows.map((row) => row.agent_type))] })
}

export const tasksDue = (session: Session, { wallMs, limit }: TasksDue['with']): ReturnType<typeof makeReady> => {
  const due = session.all<WaitingRow>(
    "SELECT seq, type, agent_type FROM tasks WHERE state = 'waiting' AND until_ms <= ? ORDER BY until_ms LIMIT ?",
    wallMs,
    limit,
  )
  return makeReady(session, due, wallMs)
}

export const tasksOpen = (
  session: Session,
  { waitsFor, sinceMs, limit, wallMs }: TasksOpen['with'],
): ReturnType<typeof makeReady> => {
  const rows = session.all<WaitingRow>(
    `SELECT seq, type, agent_type FROM tasks WHERE state = 'waiting' AND waits_for = ? AND updated_ms <= ?
     ORDER BY until_ms LIMIT ?`,
    waitsFor,
    sinceMs,
    limit,
  )
  return makeReady(session, rows, wallMs)
}

export const tasksHold = (
  session: Session,
  { agentType, hold, afterSeq, limit, wallMs }: TasksHold['with'],
): Result<{ moved: number; lastSeq: number }> => {
  const rows = hold
    ? session.all<{ seq: number; type: string }>(
        "SELECT seq, type FROM tasks WHERE state = 'ready' AND agent_type = ? LIMIT ?",
        agentType,
        limit,
      )
    : session.all<{ seq: number; type: string }>(
        `SELECT seq, type FROM tasks WHERE state = 'waiting' AND seq > ? AND reason = 'maintenance' AND until_ms IS NULL
           AND agent_type = ? ORDER BY seq LIMIT ?`,
        afterSeq,
        agentType,
        limit,
      )
  const [from, to, reason] = hold
    ? (['ready', 'waiting', 'maintenance'] as const)
    : (['waiting', 'ready', null] as const)
  for (const { seq, type } of rows) {
    session.tallies.task(type, from, to)
    session.run('UPDATE tasks SET state = ?, reason = ?, updated_ms = ? WHERE seq = ?', to, reason, wallMs, seq)
  }
  return done({ moved: rows.length, lastSeq: rows.at(-1)?.seq ?? afterSeq })
}

const late = { name: 'DeadlineExceeded', message: 'the task did not end before its deadline', kind: 'permanent' }

export const tasksExpire = (
  session: Session,
  { wallMs, limit }: TasksExpire['with'],
): Result<{ expired: { task: string; type: string }[] }> => {
  const rows = session.all<TaskRow>(
    `SELECT * FROM tasks WHERE (state = 'blocked' OR state = 'ready' OR state = 'waiting') AND deadline_ms <= ?
      AND (reason IS NULL OR reason <> 'approval') ORDER BY deadline_ms LIMIT ? + 0`,
    wallMs,
    limit,
  )
  // In two steps, and each is looked at again: the death of one may have cancelled another of the list.
  const expired = rows.filter((before) => {
    const row = session.one<TaskRow>('SELECT * FROM tasks WHERE seq = ?', before.seq)!
    const event = { event: 'give-up', reason: 'deadline' } as const
    if (row.state !== before.state) return false
    writeState(session, row, taskAfter(taskState(row), event), { ...silent, event, error: late, wallMs })
    return true
  })
  return done({ expired: expired.map(({ id, type }) => ({ task: id, type })) })
}

const endsAttempt = (event: TaskEvent): boolean => event.event === 'cancel' || event.event === 'give-up'
const ofDeadLetters = (event: TaskEvent): boolean => event.event === 'redrive' || event.event === 'discard'

export const taskMove = (session: Session, { task, event, orNothing, wallMs }: TaskMove['with']): Result<null> => {
  const row = session.one<TaskRow>('SELECT * FROM tasks WHERE id = ?', task)
  if (!row) return orNothing ? done(null) : refuse('not-found', task)
  const next = ofDeadLetters(event) ? undefined : nextTaskState(taskState(row), event)
  if (next === undefined)
    return orNothing ? done(null) : refuse('illegal', `a task that is ${row.state} cannot take ${event.event}`)
  if (row.state === 'running' && endsAttempt(event)) {
    endAttempt(session, row.seq, { outcome: 'interrupted', error: null, wallMs })
  }
  if (row.reason === 'approval' && row.deadline_ms !== null) {
    const putOff = row.deadline_ms + Math.max(0, wallMs - row.updated_ms)
    session.run('UPDATE tasks SET deadline_ms = ? WHERE seq = ?', putOff, row.seq)
  }
  writeState(session, row, next, { ...silent, event, error: errorOf(row), wallMs })
  return done(null)
}
