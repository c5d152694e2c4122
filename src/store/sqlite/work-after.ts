/**
 * What tasks come after, and what the end of one decides about those behind it. Ids must be there when they are named,
 * so there are no cycles. A dependant waits for ever on nothing: each end settles its edge, and an edge that stays open
 * (policy `block`) waits for a dead letter, which a person redrives or discards.
 *
 * Whole sets are written at once: 10,000 dependants of one task take about 60 ms. The only steps are blocked → ready,
 * blocked → waiting (its own delay is not over) and blocked → cancelled.
 */
import { isTaskEnd, type FailedPolicy, type TaskStateName } from '../../model/model.ts'
import type { Session } from './session.ts'

type End = 'succeeded' | 'dead' | 'cancelled'

export interface Ended {
  readonly id: string
  readonly state: End
}

/** The error of a task that was cancelled because of another. */
export const dependencyError = (id: string, state: End): string =>
  JSON.stringify({ name: 'DependencyFailed', message: `${id}, which it comes after, is ${state}`, code: 'dependency' })

/** What an end means for one that comes after it: its edge is settled, it is cancelled, or it goes on waiting. */
const judge = (state: TaskStateName, policy: FailedPolicy): 'settled' | 'cancel' | 'open' => {
  if (!isTaskEnd(state)) return 'open'
  if (state === 'succeeded' || policy === 'run') return 'settled'
  return state === 'dead' && policy === 'block' ? 'open' : 'cancel'
}

export interface Standing {
  /** Something it comes after is still waited for. */
  readonly blocked: boolean
  /** The first one whose end cancels it. */
  readonly cancelledBy: Ended | null
  /** Named, but not there. */
  readonly missing: string | null
}

/** Writes the edges of a new task, and says how it stands. Nothing is written when one is missing. */
export const insertEdges = (
  session: Session,
  task: { readonly id: string; readonly after: readonly string[]; readonly onFailed: FailedPolicy },
): Standing => {
  const ids = [...new Set(task.after)]
  const found = ids.map((id) =>
    session.one<{ id: string; state: TaskStateName }>('SELECT id, state FROM tasks WHERE id = ?', id),
  )
  const missing = ids.find((_, index) => found[index] === undefined) ?? null
  if (missing !== null) return { blocked: false, cancelledBy: null, missing }
  let blocked = false
  let cancelledBy: Ended | null = null
  for (const [place, { id, state }] of found.map((one) => one!).entries()) {
    const judged = judge(state, task.onFailed)
    const ended = judged === 'open' ? null : state
    session.run('INSERT INTO dependencies (task, after, place, ended) VALUES (?, ?, ?, ?)', task.id, id, place, ended)
    if (judged === 'cancel') cancelledBy ??= { id, state: state as End }
    if (judged !== 'open') continue
    blocked = true
    session.run('UPDATE tasks SET awaited = 1 WHERE id = ? AND awaited = 0', id)
  }
  return { blocked, cancelledBy, missing: null }
}

const settleEdges = `UPDATE dependencies SET ended = ?1 WHERE after = ?2 AND ended IS NULL
  AND (?1 = 'succeeded' OR task IN (SELECT id FROM tasks WHERE on_failed = 'run'))`
const nothingOpen = `state = 'blocked' AND id IN (SELECT task FROM dependencies WHERE after = ?1)
  AND NOT EXISTS (SELECT 1 FROM dependencies AS open WHERE open.task = tasks.id AND open.ended IS NULL)`
const unblock = `UPDATE tasks SET
  state = CASE WHEN not_before_ms > ?2 THEN 'waiting' ELSE 'ready' END,
  reason = CASE WHEN not_before_ms > ?2 THEN 'signal' END,
  until_ms = CASE WHEN not_before_ms > ?2 THEN not_before_ms END, updated_ms = ?2
  WHERE ${nothingOpen} RETURNING type, state`

const doomed = `SELECT id, type, awaited FROM tasks WHERE state = 'blocked'
  AND (on_failed = 'cancel' OR (on_failed = 'block' AND ?1 = 'cancelled'))
  AND id IN (SELECT task FROM dependencies WHERE after = ?2 AND ended IS NULL)`

const cancelDependants = (session: Session, { id, state }: Ended, wallMs: number): Ended[] => {
  const rows = session.all<{ id: string; type: string; awaited: number }>(doomed, state, id)
  for (const row of rows) {
    session.run(
      "UPDATE tasks SET state = 'cancelled', error = ?, updated_ms = ? WHERE id = ?",
      dependencyError(id, state),
      wallMs,
      row.id,
    )
    session.run('UPDATE dependencies SET ended = ? WHERE task = ? AND after = ?', state, row.id, id)
    session.tallies.task(row.type, 'blocked', 'cancelled')
  }
  return rows.filter((row) => row.awaited === 1).map((row) => ({ id: row.id, state: 'cancelled' }))
}

/**
 * Follows the ends of tasks that others come after, down the line. Gives the agent types that have more to do now.
 */
export const settleDependants = (session: Session, ends: readonly Ended[], wallMs: number): string[] => {
  const agentTypes = new Set<string>()
  const queue = [...ends]
  for (let end = queue.shift(); end !== undefined; end = queue.shift()) {
    session.run(settleEdges, end.state, end.id)
    const freed = session.all<{ agent_type: string }>(
      `SELECT DISTINCT agent_type FROM tasks WHERE ${nothingOpen}`,
      end.id,
    )
    for (const { agent_type: agentType } of freed) agentTypes.add(agentType)
    if (freed.length > 0) {
      const moved = session.all<{ type: string; state: TaskStateName }>(unblock, end.id, wallMs)
      for (const { type, state } of moved) session.tallies.task(type, 'blocked', state)
    }
    if (end.state !== 'succeeded') queue.push(...cancelDependants(session, end, wallMs))
  }
  return [...agentTypes]
}
