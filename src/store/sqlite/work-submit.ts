/**
 * SQL of submission and claim. Steps of the state machine (model/task.ts): a new task begins in the state that its
 * facts say, a ready one becomes running.
 */
import { attemptId, type TaskStateName } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { Claimed, NewTask, Slot, Submitted, TasksClaim, TasksSubmit } from '../commands/work.ts'
import { isNewest } from './fleet.ts'
import { done, refuse, type Session } from './session.ts'
import { dependencyError, insertEdges, type Standing } from './work-after.ts'
import { archiveAttempt } from './work-end.ts'
import { hasReady, readyRows, type ReadyRow } from './work-ready.ts'

const standsAlone: Standing = { blocked: false, cancelledBy: null, missing: null }

const startsLater = (task: NewTask, wallMs: number): boolean => task.notBeforeMs !== null && task.notBeforeMs > wallMs

const firstState = (task: NewTask, wallMs: number, standing: Standing): TaskStateName => {
  if (standing.cancelledBy !== null) return 'cancelled'
  if (standing.blocked) return 'blocked'
  return startsLater(task, wallMs) ? 'waiting' : 'ready'
}

const spanOf = (task: NewTask, wallMs: number): number | null =>
  task.deadlineMs === null ? null : task.deadlineMs - Math.max(wallMs, task.notBeforeMs ?? 0)

/** Writes the task as it begins: as its dependencies have it, waiting for its time, or ready. */
const insertTask = (session: Session, task: NewTask, wallMs: number, standing: Standing): void => {
  const state = firstState(task, wallMs, standing)
  const { cancelledBy } = standing
  session.run(
    `INSERT INTO tasks (id, type, agent_type, key, payload, payload_hash, priority, max_attempts, deadline_ms, span_ms,
      not_before_ms, after, on_failed, batch, state, reason, until_ms, error, created_ms, updated_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?19, ?19)`,
    task.id,
    task.type,
    task.agentType,
    task.key,
    task.payload,
    task.payloadHash,
    task.priority,
    task.maxAttempts,
    task.deadlineMs,
    spanOf(task, wallMs),
    task.notBeforeMs,
    task.after.length === 0 ? null : JSON.stringify(task.after),
    task.onFailed,
    task.batch,
    state,
    state === 'waiting' ? 'signal' : null,
    state === 'waiting' ? task.notBeforeMs : null,
    cancelledBy === null ? null : dependencyError(cancelledBy.id, cancelledBy.state),
    wallMs,
  )
  session.tallies.task(task.type, null, state)
}

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

const claimOne = (session: Session, row: ReadyRow, slot: Slot, { owner, epoch, wallMs }: Giving): Claimed => {
  const fence = row.fence + 1
  const claimed: Claimed = {
    task: row.id,
    type: row.type,
    key: row.key,
    payload: row.payload,
    agent: slot.agent,
    cell: slot.cell,
    attempt: attemptId(row.id, fence),
    number: row.attempts + 1,
    fence,
    deadlineMs: row.deadline_ms,
    batch: row.batch,
    priority: row.priority,
    deaths: row.deaths,
  }
  if (row.started_ms !== null) archiveAttempt(session, row.seq)
  session.run(
    `UPDATE tasks SET state = 'running', reason = NULL, until_ms = NULL, fence = ?, agent = ?, agent_epoch = ?,
      cell = ?, owner = ?, epoch = ?, number = ?, started_ms = ?8, updated_ms = ?8 WHERE seq = ?`,
    fence,
    slot.agent,
    slot.agentEpoch,
    slot.cell,
    owner,
    epoch,
    claimed.number,
    wallMs,
    row.seq,
  )
  session.tallies.task(row.type, 'ready', 'running')
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

/**
 * A task that is new and waits for nothing, given at once to the slot: written already running. One statement less than
 * a claim after it.
 */
const claimNew = (session: Session, task: NewTask, slot: Slot, { owner, epoch, wallMs }: Giving): Claimed => {
  const { id, type, key, payload, deadlineMs, batch } = task
  session.run(
    `INSERT INTO tasks (id, type, agent_type, state, priority, max_attempts, fence, number, agent, agent_epoch, cell,
      owner, epoch, key, payload, payload_hash, deadline_ms, span_ms, not_before_ms, batch, on_failed, started_ms,
      created_ms, updated_ms)
     VALUES (?, ?, ?, 'running', ?, ?, 1, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?19, ?19, ?19)`,
    id,
    type,
    task.agentType,
    task.priority,
    task.maxAttempts,
    slot.agent,
    slot.agentEpoch,
    slot.cell,
    owner,
    epoch,
    key,
    payload,
    task.payloadHash,
    deadlineMs,
    spanOf(task, wallMs),
    task.notBeforeMs,
    batch,
    task.onFailed,
    wallMs,
  )
  session.tallies.task(type, null, 'running')
  const { agent, cell } = slot
  const attempt = attemptId(id, 1)
  const first = { attempt, number: 1, fence: 1, deaths: 0 }
  return { task: id, type, key, payload, agent, cell, ...first, deadlineMs, batch, priority: task.priority }
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
    insertTask(session, task, wallMs, standing)
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
