/**
 * SQL of the steps that no attempt leads to: a time that has come, a deadline that has passed, a person's word. The
 * state machine of model/task.ts is asked before each write, so no row takes an illegal step.
 */
import { nextTaskState, taskAfter, type TaskEvent } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { TaskMove, TasksDue, TasksExpire, TasksHold, TasksOpen } from '../commands/work.ts'
import { taskState, type TaskRow } from '../sqlite/rows.ts'
import { errorOf, silent } from '../sqlite/work-end.ts'
import { plainState } from './plans.ts'
import { done, refuse, type Session } from './session.ts'
import { writeStates } from './work-end.ts'

type ReadiedRow = Pick<TaskRow, 'type' | 'agent_type'>

const readied = (session: Session, rows: readonly ReadiedRow[]): Result<{ ready: number; agentTypes: string[] }> => {
  for (const { type } of rows) session.tallies.task(type, 'waiting', 'ready')
  return done({ ready: rows.length, agentTypes: [...new Set(rows.map((row) => row.agent_type))] })
}

export const tasksDue = async (
  session: Session,
  { wallMs, limit }: TasksDue['with'],
): Promise<Result<{ ready: number; agentTypes: string[] }>> => {
  const due = await session.all<ReadiedRow>(
    `UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, waits_for = NULL, updated_ms = $1
     WHERE seq IN (SELECT seq FROM tasks WHERE state = 'waiting' AND until_ms <= $1 ORDER BY until_ms LIMIT $2)
     RETURNING type, agent_type`,
    wallMs,
    limit,
  )
  return readied(session, due)
}

export const tasksOpen = async (
  session: Session,
  { waitsFor, sinceMs, limit, wallMs }: TasksOpen['with'],
): Promise<Result<{ ready: number; agentTypes: string[] }>> => {
  const rows = await session.all<ReadiedRow>(
    `UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, waits_for = NULL, updated_ms = $1
     WHERE seq IN (SELECT seq FROM tasks WHERE state = 'waiting' AND waits_for = $2 AND updated_ms <= $3
       ORDER BY until_ms LIMIT $4) RETURNING type, agent_type`,
    wallMs,
    waitsFor,
    sinceMs,
    limit,
  )
  return readied(session, rows)
}

export const tasksHold = async (
  session: Session,
  { agentType, hold, afterSeq, limit, wallMs }: TasksHold['with'],
): Promise<Result<{ moved: number; lastSeq: number }>> => {
  const rows = hold
    ? await session.all<{ seq: number; type: string }>(
        `UPDATE tasks SET state = 'waiting', reason = 'maintenance', until_ms = NULL, updated_ms = $1
         WHERE seq IN (SELECT seq FROM tasks WHERE state = 'ready' AND agent_type = $2 LIMIT $3) RETURNING seq, type`,
        wallMs,
        agentType,
        limit,
      )
    : await session.all<{ seq: number; type: string }>(
        `UPDATE tasks SET state = 'ready', reason = NULL, updated_ms = $1
         WHERE seq IN (SELECT seq FROM tasks WHERE state = 'waiting' AND seq > $4 AND reason = 'maintenance'
           AND until_ms IS NULL AND agent_type = $2 ORDER BY seq LIMIT $3) RETURNING seq, type`,
        wallMs,
        agentType,
        limit,
        afterSeq,
      )
  for (const { type } of rows) {
    if (hold) session.tallies.task(type, 'ready', 'waiting')
    else session.tallies.task(type, 'waiting', 'ready')
  }
  return done({ moved: rows.length, lastSeq: rows.reduce((last, { seq }) => Math.max(last, seq), afterSeq) })
}

const late = { name: 'DeadlineExceeded', message: 'the task did not end before its deadline', kind: 'permanent' }

export const tasksExpire = async (
  session: Session,
  { wallMs, limit }: TasksExpire['with'],
): Promise<Result<{ expired: { task: string; type: string }[] }>> => {
  const rows = await session.all<TaskRow>(
    `SELECT * FROM tasks WHERE state IN ('blocked', 'ready', 'waiting') AND deadline_ms <= $1
       AND (reason IS NULL OR reason <> 'approval') ORDER BY deadline_ms LIMIT $2`,
    wallMs,
    limit,
  )
  const expired: { task: string; type: string }[] = []
  for (const before of rows) {
    // Looked at again: the death of one may have cancelled another of the list.
    const row = await session.one<TaskRow>('SELECT * FROM tasks WHERE seq = $1', before.seq)
    if (row?.state !== before.state) continue
    const event = { event: 'give-up', reason: 'deadline' } as const
    const next = taskAfter(taskState(row), event)
    await writeStates(session, [{ row, next, writing: { ...silent, event, error: late, wallMs } }])
    expired.push({ task: row.id, type: row.type })
  }
  return done({ expired })
}

const endsAttempt = (event: TaskEvent): boolean => event.event === 'cancel' || event.event === 'give-up'
const ofDeadLetters = (event: TaskEvent): boolean => event.event === 'redrive' || event.event === 'discard'

/** The wake of a task, legal from `waiting` only, in one statement: every settlement's end asks for it. */
const wake = async (session: Session, task: string, wallMs: number): Promise<boolean> => {
  const woken = await session.one<{ type: string }>(
    `UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, waits_for = NULL, updated_ms = $2::bigint,
       deadline_ms = deadline_ms + CASE WHEN reason = 'approval' THEN GREATEST(0, $2::bigint - updated_ms) ELSE 0 END
     WHERE id = $1 AND ${plainState('state')} = 'waiting' RETURNING type`,
    task,
    wallMs,
  )
  if (woken !== undefined) session.tallies.task(woken.type, 'waiting', 'ready')
  return woken !== undefined
}

export const taskMove = async (
  session: Session,
  { task, event, orNothing, wallMs }: TaskMove['with'],
): Promise<Result<null>> => {
  if (event.event === 'wake' && ((await wake(session, task, wallMs)) || orNothing)) return done(null)
  const row = await session.one<TaskRow>('SELECT * FROM tasks WHERE id = $1 FOR UPDATE', task)
  if (!row) return orNothing ? done(null) : refuse('not-found', task)
  const next = ofDeadLetters(event) ? undefined : nextTaskState(taskState(row), event)
  if (next === undefined)
    return orNothing ? done(null) : refuse('illegal', `a task that is ${row.state} cannot take ${event.event}`)
  const ends =
    row.state === 'running' && endsAttempt(event) ? ({ outcome: 'interrupted', error: null } as const) : undefined
  if (row.reason === 'approval' && row.deadline_ms !== null) {
    const putOff = row.deadline_ms + Math.max(0, wallMs - row.updated_ms)
    await session.run('UPDATE tasks SET deadline_ms = $1 WHERE seq = $2', putOff, row.seq)
  }
  await writeStates(session, [{ row, next, writing: { ...silent, event, error: errorOf(row), wallMs }, ends }])
  return done(null)
}
