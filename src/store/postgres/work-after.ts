/**
 * What tasks come after, and what the end of one decides about those behind it: the rules of the SQLite engine, with
 * whole sets in one statement each.
 */
import { isTaskEnd, type FailedPolicy, type TaskStateName } from '../../model/model.ts'
import { dependencyError, type Ended, type Standing } from '../sqlite/work-after.ts'
import type { Session } from './session.ts'

/** What an end means for one that comes after it: its edge is settled, it is cancelled, or it goes on waiting. */
const judge = (state: TaskStateName, policy: FailedPolicy): 'settled' | 'cancel' | 'open' => {
  if (!isTaskEnd(state)) return 'open'
  if (state === 'succeeded' || policy === 'run') return 'settled'
  return state === 'dead' && policy === 'block' ? 'open' : 'cancel'
}

/** Writes the edges of a new task, and says how it stands. Nothing is written when one is missing. */
export const insertEdges = async (
  session: Session,
  task: { readonly id: string; readonly after: readonly string[]; readonly onFailed: FailedPolicy },
): Promise<Standing> => {
  const ids = [...new Set(task.after)]
  const rows = await session.all<{ id: string; state: TaskStateName }>(
    'SELECT id, state FROM tasks WHERE id = ANY($1::text[])',
    ids,
  )
  const states = new Map(rows.map((row) => [row.id, row.state]))
  const missing = ids.find((id) => !states.has(id)) ?? null
  if (missing !== null) return { blocked: false, cancelledBy: null, missing }
  const edges = ids.map((id) => ({ id, state: states.get(id)!, judged: judge(states.get(id)!, task.onFailed) }))
  await session.run(
    `INSERT INTO dependencies (task, after, place, ended)
     SELECT $1::text, after, at - 1, ended FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS e (after, ended, at)`,
    task.id,
    ids,
    edges.map(({ state, judged }) => (judged === 'open' ? null : state)),
  )
  const open = edges.filter(({ judged }) => judged === 'open').map(({ id }) => id)
  if (open.length > 0)
    await session.run('UPDATE tasks SET awaited = 1 WHERE id = ANY($1::text[]) AND awaited = 0', open)
  const against = edges.find(({ judged }) => judged === 'cancel')
  const cancelledBy = against ? { id: against.id, state: against.state as Ended['state'] } : null
  return { blocked: open.length > 0, cancelledBy, missing: null }
}

const settleEdges = `UPDATE dependencies AS d SET ended = $1 WHERE d.after = $2 AND d.ended IS NULL
  AND ($1 = 'succeeded' OR EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = d.task AND t.on_failed = 'run'))`

const unblock = `UPDATE tasks SET
  state = CASE WHEN not_before_ms > $2::bigint THEN 'waiting' ELSE 'ready' END,
  reason = CASE WHEN not_before_ms > $2::bigint THEN 'signal' END,
  until_ms = CASE WHEN not_before_ms > $2::bigint THEN not_before_ms END, updated_ms = $2::bigint
  WHERE state = 'blocked' AND id IN (SELECT task FROM dependencies WHERE after = $1)
  AND NOT EXISTS (SELECT 1 FROM dependencies AS e WHERE e.task = tasks.id AND e.ended IS NULL)
  RETURNING agent_type, type, state`

const cancelBehind = `UPDATE tasks SET state = 'cancelled', error = $3, updated_ms = $4 WHERE state = 'blocked'
  AND (on_failed = 'cancel' OR (on_failed = 'block' AND $1::text = 'cancelled'))
  AND id IN (SELECT task FROM dependencies WHERE after = $2 AND ended IS NULL) RETURNING id, type, awaited`

const cancelDependants = async (session: Session, { id, state }: Ended, wallMs: number): Promise<Ended[]> => {
  const error = dependencyError(id, state)
  const rows = await session.all<{ id: string; type: string; awaited: number }>(cancelBehind, state, id, error, wallMs)
  if (rows.length === 0) return []
  for (const { type } of rows) session.tallies.task(type, 'blocked', 'cancelled')
  const ids = rows.map((row) => row.id)
  await session.run('UPDATE dependencies SET ended = $1 WHERE after = $2 AND task = ANY($3::text[])', state, id, ids)
  return rows.filter((row) => row.awaited === 1).map((row) => ({ id: row.id, state: 'cancelled' }))
}

/** Follows the end of a task that others come after, down the line. Gives the agent types that have more to do now. */
export const settleDependants = async (session: Session, first: Ended, wallMs: number): Promise<string[]> => {
  const agentTypes = new Set<string>()
  const queue = [first]
  for (let end = queue.shift(); end !== undefined; end = queue.shift()) {
    await session.run(settleEdges, end.state, end.id)
    const freed = await session.all<{ agent_type: string; type: string; state: TaskStateName }>(unblock, end.id, wallMs)
    for (const { agent_type: agentType, type, state } of freed) {
      agentTypes.add(agentType)
      session.tallies.task(type, 'blocked', state)
    }
    if (end.state !== 'succeeded') queue.push(...(await cancelDependants(session, end, wallMs)))
  }
  return [...agentTypes]
}
