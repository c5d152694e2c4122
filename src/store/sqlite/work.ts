/**
 * SQL of work's commands. The state machine of model/task.ts is asked before each write, so no row takes an illegal
 * step.
 */
import { nextTaskState, type TaskEvent, type TaskState } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type {
  AttemptsFinish,
  AttemptsRecover,
  Claimed,
  Finish,
  Finished,
  NewTask,
  Slot,
  Submitted,
  TaskMove,
  TasksClaim,
  TasksDue,
  TasksSubmit,
} from '../commands/work.ts'
import { isNewest } from './fleet.ts'
import { taskState, type TaskRow } from './rows.ts'
import { done, refuse, type Session } from './session.ts'

const insertTask = (session: Session, task: NewTask, wallMs: number): Submitted => {
  if (task.key !== null) {
    const there = session.one<{ id: string; payload_hash: string }>(
      'SELECT id, payload_hash FROM tasks WHERE type = ? AND key = ?',
      task.type,
      task.key,
    )
    if (there)
      return { id: there.id, outcome: there.payload_hash === task.payloadHash ? 'exists' : 'exists-with-different' }
  }
  const later = task.notBeforeMs !== null && task.notBeforeMs > wallMs
  session.run(
    `INSERT INTO tasks (id, type, agent_type, key, payload, payload_hash, priority, max_attempts, deadline_ms,
      batch, state, reason,
       until_ms, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    task.id,
    task.type,
    task.agentType,
    task.key,
    task.payload,
    task.payloadHash,
    task.priority,
    task.maxAttempts,
    task.deadlineMs,
    task.batch,
    later ? 'waiting' : 'ready',
    later ? 'signal' : null,
    later ? task.notBeforeMs : null,
    wallMs,
    wallMs,
  )
  return { id: task.id, outcome: 'created' }
}

const hasReady = (session: Session, agentType: string): boolean =>
  session.one("SELECT 1 AS found FROM tasks WHERE agent_type = ? AND state = 'ready' LIMIT 1", agentType) !== undefined

interface Giving {
  readonly owner: string
  readonly epoch: number
  readonly wallMs: number
}

const claimOne = (session: Session, row: TaskRow, slot: Slot, giving: Giving): Claimed => {
  const { owner, epoch, wallMs } = giving
  const fence = row.fence + 1
  session.run(
    `UPDATE tasks SET state = 'running', reason = NULL, until_ms = NULL, attempt = ?, agent = ?, fence = ?,
      updated_ms = ? WHERE seq = ?`,
    slot.attempt,
    slot.agent,
    fence,
    wallMs,
    row.seq,
  )
  session.run(
    `INSERT INTO attempts (id, task, number, fence, agent, agent_epoch, cell, owner, epoch, started_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    slot.attempt,
    row.id,
    row.attempts + 1,
    fence,
    slot.agent,
    slot.agentEpoch,
    slot.cell,
    owner,
    epoch,
    wallMs,
  )
  return {
    task: row.id,
    type: row.type,
    key: row.key,
    payload: row.payload,
    agent: slot.agent,
    attempt: slot.attempt,
    number: row.attempts + 1,
    fence,
    deadlineMs: row.deadline_ms,
    batch: row.batch,
  }
}

const claimReady = (session: Session, agentType: string, slots: readonly Slot[], giving: Giving): Claimed[] =>
  session
    .all<TaskRow>(
      "SELECT * FROM tasks WHERE agent_type = ? AND state = 'ready' ORDER BY priority DESC, seq LIMIT ?",
      agentType,
      slots.length,
    )
    .map((row, index) => claimOne(session, row, slots[index]!, giving))

export const tasksSubmit = (
  session: Session,
  asked: TasksSubmit['with'],
): Result<{ submitted: Submitted[]; claimed: Claimed[] }> => {
  const agentType = asked.tasks[0]?.agentType
  const mayClaim = asked.claim.length > 0 && agentType !== undefined && !hasReady(session, agentType)
  if (mayClaim && !isNewest(session, asked.owner, asked.epoch)) return refuse('stale', 'a newer sitter owns the record')
  const submitted = asked.tasks.map((task) => insertTask(session, task, asked.wallMs))
  const other = submitted.find((one) => one.outcome === 'exists-with-different')
  if (asked.all && other) return refuse('exists-with-different', other.id)
  return done({ submitted, claimed: mayClaim ? claimReady(session, agentType, asked.claim, asked) : [] })
}

export const tasksClaim = (
  session: Session,
  asked: TasksClaim['with'],
): Result<{ claimed: Claimed[]; more: boolean }> => {
  if (!isNewest(session, asked.owner, asked.epoch)) return refuse('stale', 'a newer sitter owns the record')
  const claimed = claimReady(session, asked.agentType, asked.slots, asked)
  return done({ claimed, more: claimed.length === asked.slots.length && hasReady(session, asked.agentType) })
}

/** Writes the task's next state; `result` and `error` are those of the attempt that led there. */
interface Writing extends Pick<Finish, 'result' | 'error' | 'counts'> {
  readonly wallMs: number
}

const writeState = (session: Session, row: TaskRow, next: TaskState, finish: Writing): void => {
  session.run(
    `UPDATE tasks SET state = ?, reason = ?, until_ms = ?, attempt = NULL, agent = COALESCE(?, agent),
      attempts = attempts + ?,
       result = COALESCE(?, result), error = ?, updated_ms = ? WHERE seq = ?`,
    next.state,
    next.state === 'waiting' ? next.reason : null,
    next.state === 'waiting' ? next.untilMs : null,
    row.agent,
    finish.counts ? 1 : 0,
    finish.result,
    finish.error === null ? null : JSON.stringify(finish.error),
    finish.wallMs,
    row.seq,
  )
}

interface AttemptRow {
  task: string
  ended_ms: number | null
  outcome: string | null
}

const finishOne = (session: Session, finish: Finish, wallMs: number): Finished => {
  const attempt = session.one<AttemptRow>('SELECT task, ended_ms, outcome FROM attempts WHERE id = ?', finish.attempt)
  if (!attempt) return { attempt: finish.attempt, task: '', outcome: 'not-found' }
  const answer = (outcome: Finished['outcome']): Finished => ({ attempt: finish.attempt, task: attempt.task, outcome })
  if (attempt.ended_ms !== null) {
    if (attempt.outcome === finish.outcome) return answer('repeat')
    session.run(
      'UPDATE attempts SET late_outcome = ?, late_ms = ? WHERE id = ?',
      finish.outcome,
      wallMs,
      finish.attempt,
    )
    return answer('stale')
  }
  const row = session.one<TaskRow>('SELECT * FROM tasks WHERE id = ?', attempt.task)!
  const owns = row.state === 'running' && row.attempt === finish.attempt
  const next = owns ? nextTaskState(taskState(row), finish.event) : undefined
  session.run(
    'UPDATE attempts SET ended_ms = ?, outcome = ?, error = ? WHERE id = ?',
    wallMs,
    finish.outcome,
    finish.error === null ? null : JSON.stringify(finish.error),
    finish.attempt,
  )
  if (next === undefined) return answer('stale')
  writeState(session, row, next, { ...finish, wallMs })
  return answer('done')
}

export const attemptsFinish = (session: Session, { finishes, wallMs }: AttemptsFinish['with']): Result<Finished[]> =>
  done(finishes.map((finish) => finishOne(session, finish, wallMs)))

export const attemptsRecover = (
  session: Session,
  { owner, epoch, wallMs }: AttemptsRecover['with'],
): Result<{ interrupted: number }> => {
  const open = session.all<{ id: string }>(
    'SELECT id FROM attempts WHERE owner = ? AND epoch < ? AND ended_ms IS NULL ORDER BY seq',
    owner,
    epoch,
  )
  const error = { name: 'Interrupted', message: 'the sitter that gave this attempt ended' }
  for (const { id } of open) {
    finishOne(
      session,
      { attempt: id, outcome: 'interrupted', result: null, error, event: { event: 'interrupt' }, counts: false },
      wallMs,
    )
  }
  return done({ interrupted: open.length })
}

export const tasksDue = (
  session: Session,
  { wallMs, limit }: TasksDue['with'],
): Result<{ ready: number; agentTypes: string[] }> => {
  const due = session.all<{ seq: number; agent_type: string }>(
    "SELECT seq, agent_type FROM tasks WHERE state = 'waiting' AND until_ms <= ? ORDER BY until_ms LIMIT ?",
    wallMs,
    limit,
  )
  for (const { seq } of due) {
    session.run(
      "UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, updated_ms = ? WHERE seq = ?",
      wallMs,
      seq,
    )
  }
  return done({ ready: due.length, agentTypes: [...new Set(due.map((row) => row.agent_type))] })
}

const endsAttempt = (event: TaskEvent): boolean => event.event === 'cancel' || event.event === 'give-up'

export const taskMove = (
  session: Session,
  { task, event, resetAttempts, orNothing, wallMs }: TaskMove['with'],
): Result<null> => {
  const row = session.one<TaskRow>('SELECT * FROM tasks WHERE id = ?', task)
  if (!row) return orNothing ? done(null) : refuse('not-found', task)
  const next = nextTaskState(taskState(row), event)
  if (next === undefined)
    return orNothing ? done(null) : refuse('illegal', `a task that is ${row.state} cannot take ${event.event}`)
  if (row.state === 'running' && endsAttempt(event)) {
    session.run(
      "UPDATE attempts SET ended_ms = ?, outcome = 'interrupted' WHERE id = ? AND ended_ms IS NULL",
      wallMs,
      row.attempt,
    )
  }
  const error = row.error === null || event.event === 'redrive' ? null : JSON.parse(row.error)
  writeState(session, row, next, { result: null, error, counts: false, wallMs })
  if (resetAttempts) session.run('UPDATE tasks SET attempts = 0 WHERE seq = ?', row.seq)
  return done(null)
}
