/**
 * SQL of work's commands. The state machine of model/task.ts is asked before each write, so no row takes an illegal
 * step.
 */
import { nextTaskState, taskAfter, type TaskEvent, type TaskStateName } from '../../model/model.ts'
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
  TasksExpire,
  TasksSubmit,
} from '../commands/work.ts'
import { isNewest } from './fleet.ts'
import { taskState, type TaskRow } from './rows.ts'
import { done, refuse, type Session } from './session.ts'
import { dependencyError, insertEdges, type Standing } from './work-after.ts'
import { errorOf, silent, writeState, type EndingRow } from './work-end.ts'
import { hasReady, readyRows, type ReadyRow } from './work-ready.ts'

const standsAlone: Standing = { blocked: false, cancelledBy: null, missing: null }

interface Beginning {
  readonly standing: Standing
  /** Takes it at once. */
  readonly slot: Slot | undefined
}

const firstState = (task: NewTask, wallMs: number, { standing, slot }: Beginning): TaskStateName => {
  if (standing.cancelledBy !== null) return 'cancelled'
  if (standing.blocked) return 'blocked'
  if (startsLater(task, wallMs)) return 'waiting'
  return slot ? 'running' : 'ready'
}

/**
 * Writes the task as it begins: as its dependencies have it, waiting for its time, running with the slot that takes it
 * at once, or ready. The claim on insert is one statement less than a claim after it (measured: insert, select and
 * update 14 µs, insert 7).
 */
const insertTask = (session: Session, task: NewTask, wallMs: number, beginning: Beginning): void => {
  const state = firstState(task, wallMs, beginning)
  const { cancelledBy } = beginning.standing
  const slot = state === 'running' ? beginning.slot : undefined
  session.run(
    `INSERT INTO tasks (id, type, agent_type, key, payload, payload_hash, priority, max_attempts, deadline_ms, span_ms,
      not_before_ms, after, on_failed, batch, state, reason, until_ms, attempt, agent, fence, error, created_ms,
      updated_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    task.id,
    task.type,
    task.agentType,
    task.key,
    task.payload,
    task.payloadHash,
    task.priority,
    task.maxAttempts,
    task.deadlineMs,
    task.deadlineMs === null ? null : task.deadlineMs - Math.max(wallMs, task.notBeforeMs ?? 0),
    task.notBeforeMs,
    task.after.length === 0 ? null : JSON.stringify(task.after),
    task.onFailed,
    task.batch,
    state,
    state === 'waiting' ? 'signal' : null,
    state === 'waiting' ? task.notBeforeMs : null,
    slot?.attempt ?? null,
    slot?.agent ?? null,
    slot ? 1 : 0,
    cancelledBy === null ? null : dependencyError(cancelledBy.id, cancelledBy.state),
    wallMs,
    wallMs,
  )
}

const startsLater = (task: NewTask, wallMs: number): boolean => task.notBeforeMs !== null && task.notBeforeMs > wallMs

/** What a task with this key is already; undefined when there is none. */
const alreadyThere = (session: Session, task: NewTask): Submitted | undefined => {
  if (task.key === null) return undefined
  const there = session.one<{ id: string; payload_hash: string }>(
    'SELECT id, payload_hash FROM tasks WHERE type = ? AND key = ?',
    task.type,
    task.key,
  )
  return (
    there && { id: there.id, outcome: there.payload_hash === task.payloadHash ? 'exists' : 'exists-with-different' }
  )
}

interface Giving {
  readonly owner: string
  readonly epoch: number
  readonly wallMs: number
}

const insertAttempt = (session: Session, claimed: Claimed, slot: Slot, giving: Giving & { life: number }): void => {
  const { owner, epoch, wallMs, life } = giving
  session.run(
    `INSERT INTO attempts (id, task, life, number, fence, agent, agent_epoch, cell, owner, epoch, started_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    slot.attempt,
    claimed.task,
    life,
    claimed.number,
    claimed.fence,
    slot.agent,
    slot.agentEpoch,
    slot.cell,
    owner,
    epoch,
    wallMs,
  )
}

const claimOne = (session: Session, row: ReadyRow, slot: Slot, giving: Giving): Claimed => {
  const claimed: Claimed = {
    task: row.id,
    type: row.type,
    key: row.key,
    payload: row.payload,
    agent: slot.agent,
    attempt: slot.attempt,
    number: row.attempts + 1,
    fence: row.fence + 1,
    deadlineMs: row.deadline_ms,
    batch: row.batch,
    deaths: row.deaths,
  }
  session.run(
    `UPDATE tasks SET state = 'running', reason = NULL, until_ms = NULL, attempt = ?, agent = ?, fence = ?,
      updated_ms = ? WHERE seq = ?`,
    slot.attempt,
    slot.agent,
    claimed.fence,
    giving.wallMs,
    row.seq,
  )
  insertAttempt(session, claimed, slot, { ...giving, life: row.life })
  return claimed
}

const claimReady = (
  session: Session,
  agentType: string,
  slots: readonly Slot[],
  giving: Giving & Pick<TasksClaim['with'], 'turn'>,
): Claimed[] =>
  readyRows(session, agentType, { slots: slots.length, turn: giving.turn, nowMs: giving.wallMs }).map((row, index) =>
    claimOne(session, row, slots[index]!, giving),
  )

/** A task that is new and waits for nothing, given at once to the slot. */
const claimNew = (session: Session, task: NewTask, slot: Slot, giving: Giving): Claimed => {
  const { id, type, key, payload, deadlineMs, batch } = task
  const { agent, attempt } = slot
  const first = { number: 1, fence: 1, deaths: 0 }
  const claimed: Claimed = { task: id, type, key, payload, agent, attempt, ...first, deadlineMs, batch }
  insertTask(session, task, giving.wallMs, { standing: standsAlone, slot })
  insertAttempt(session, claimed, slot, { ...giving, life: 1 })
  return claimed
}

export const tasksSubmit = (
  session: Session,
  asked: TasksSubmit['with'],
): Result<{ submitted: Submitted[]; claimed: Claimed[] }> => {
  const { tasks, claim, wallMs } = asked
  const agentType = tasks[0]?.agentType
  const mayClaim = claim.length > 0 && agentType !== undefined && !hasReady(session, agentType)
  if (mayClaim && !isNewest(session, asked.owner, asked.epoch)) return refuse('stale', 'a newer sitter owns the record')
  // With a slot for each, every new task takes the next one; with fewer, priority decides once all of them are in.
  const direct = mayClaim && claim.length >= tasks.length
  const claimed: Claimed[] = []
  const submitted: Submitted[] = []
  for (const task of tasks) {
    const there = alreadyThere(session, task)
    submitted.push(there ?? { id: task.id, outcome: 'created' })
    if (there) continue
    if (direct && task.after.length === 0 && !startsLater(task, wallMs)) {
      claimed.push(claimNew(session, task, claim[claimed.length]!, asked))
      continue
    }
    const standing = task.after.length === 0 ? standsAlone : insertEdges(session, task)
    if (standing.missing !== null) return refuse('not-found', standing.missing)
    insertTask(session, task, wallMs, { standing, slot: undefined })
  }
  const other = submitted.find((one) => one.outcome === 'exists-with-different')
  if (asked.all && other) return refuse('exists-with-different', other.id)
  if (mayClaim && !direct) claimed.push(...claimReady(session, agentType, claim, asked))
  return done({ submitted, claimed })
}

export const tasksClaim = (
  session: Session,
  asked: TasksClaim['with'],
): Result<{ claimed: Claimed[]; more: boolean }> => {
  if (!isNewest(session, asked.owner, asked.epoch)) return refuse('stale', 'a newer sitter owns the record')
  const claimed = claimReady(session, asked.agentType, asked.slots, asked)
  return done({ claimed, more: claimed.length === asked.slots.length && hasReady(session, asked.agentType) })
}

/** An attempt and its task, read in one statement. */
interface RunningRow extends EndingRow, Pick<TaskRow, 'state' | 'reason' | 'until_ms' | 'attempt'> {
  attempt_seq: number
  ended_ms: number | null
  outcome: string | null
}

const nothingReadied: readonly string[] = []

const finishOne = (session: Session, finish: Finish, wallMs: number): Finished => {
  const row = session.one<RunningRow>(
    `SELECT a.seq AS attempt_seq, a.ended_ms, a.outcome,
       t.seq, t.id, t.type, t.state, t.reason, t.until_ms, t.attempt, t.agent, t.attempts, t.deaths, t.life,
       t.version, t.awaited
     FROM attempts AS a JOIN tasks AS t ON t.id = a.task WHERE a.id = ?`,
    finish.attempt,
  )
  if (!row) return { attempt: finish.attempt, task: '', outcome: 'not-found', readied: nothingReadied }
  const answer = (outcome: Finished['outcome'], readied = nothingReadied): Finished => ({
    attempt: finish.attempt,
    task: row.id,
    outcome,
    readied,
  })
  if (row.ended_ms !== null) {
    if (row.outcome === finish.outcome) return answer('repeat')
    session.run(
      'UPDATE attempts SET late_outcome = ?, late_ms = ? WHERE seq = ?',
      finish.outcome,
      wallMs,
      row.attempt_seq,
    )
    return answer('stale')
  }
  const owns = row.state === 'running' && row.attempt === finish.attempt
  const next = owns ? nextTaskState(taskState(row), finish.event) : undefined
  session.run(
    'UPDATE attempts SET ended_ms = ?, outcome = ?, error = ? WHERE seq = ?',
    wallMs,
    finish.outcome,
    finish.error === null ? null : JSON.stringify(finish.error),
    row.attempt_seq,
  )
  if (next === undefined) return answer('stale')
  return answer('done', writeState(session, row, next, { ...finish, wallMs }))
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
      {
        attempt: id,
        outcome: 'interrupted',
        result: null,
        error,
        event: { event: 'interrupt' },
        counts: false,
        deadly: false,
      },
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

const late = { name: 'DeadlineExceeded', message: 'the task did not end before its deadline', kind: 'permanent' }

export const tasksExpire = (
  session: Session,
  { wallMs, limit }: TasksExpire['with'],
): Result<{ expired: { task: string; type: string }[] }> => {
  const rows = session.all<TaskRow>(
    `SELECT * FROM tasks WHERE state IN ('blocked', 'ready', 'waiting') AND deadline_ms <= ?
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
    session.run(
      "UPDATE attempts SET ended_ms = ?, outcome = 'interrupted' WHERE id = ? AND ended_ms IS NULL",
      wallMs,
      row.attempt,
    )
  }
  if (row.reason === 'approval' && row.deadline_ms !== null) {
    const putOff = row.deadline_ms + Math.max(0, wallMs - row.updated_ms)
    session.run('UPDATE tasks SET deadline_ms = ? WHERE seq = ?', putOff, row.seq)
  }
  writeState(session, row, next, { ...silent, event, error: errorOf(row), wallMs })
  return done(null)
}
