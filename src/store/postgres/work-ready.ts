/**
 * The ready tasks that start next, read as store/order.ts wants them, and their claim: three statements however many
 * tasks and agents. With one task type, which is usual, the order is the index's; otherwise it is decided on the heads.
 */
import { attemptId } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { Claimed, ClaimTurn, Slot, TasksClaim } from '../commands/work.ts'
import { sharedStarts, startOrder, type Candidate, type OrderAsk } from '../order.ts'
import { isNewest } from './fleet.ts'
import { plainState } from './plans.ts'
import { columns, done, refuse, type Session } from './session.ts'
import { pastColumns, pastOfTask } from './work-end.ts'

export interface Giving {
  readonly owner: string
  readonly epoch: number
  readonly wallMs: number
  readonly turn: ClaimTurn
}

export const hasReady = async (session: Session, agentType: string): Promise<boolean> =>
  (await session.one("SELECT 1 AS found FROM tasks WHERE agent_type = $1 AND state = 'ready' LIMIT 1", agentType)) !==
  undefined

interface Kind {
  type: string
  low: number
  high: number
}

/** Types with ready tasks and their priorities, by skipping along the index: a step a type, however many tasks wait. */
const kindsSql = `
WITH RECURSIVE kinds (type) AS (
  (SELECT type FROM tasks WHERE agent_type = $1 AND state = 'ready' ORDER BY type LIMIT 1)
  UNION ALL
  SELECT (SELECT t.type FROM tasks AS t WHERE t.agent_type = $1 AND t.state = 'ready' AND t.type > kinds.type
    ORDER BY t.type LIMIT 1) FROM kinds WHERE kinds.type IS NOT NULL
)
SELECT k.type, low.priority AS low, high.priority AS high FROM kinds AS k
CROSS JOIN LATERAL (SELECT priority FROM tasks AS t WHERE t.agent_type = $1 AND t.type = k.type AND t.state = 'ready'
  ORDER BY priority LIMIT 1) AS low
CROSS JOIN LATERAL (SELECT priority FROM tasks AS t WHERE t.agent_type = $1 AND t.type = k.type AND t.state = 'ready'
  ORDER BY priority DESC LIMIT 1) AS high
ORDER BY k.type`

const head = 'h.seq, h.type, h.priority, h.created_ms AS "createdMs"'
const headsSql = `
SELECT ${head} FROM unnest($2::text[]) AS k (type)
CROSS JOIN LATERAL (SELECT * FROM tasks AS t WHERE t.agent_type = $1 AND t.type = k.type AND t.state = 'ready'
  ORDER BY t.priority DESC, t.seq LIMIT $3) AS h ORDER BY h.type, h.priority DESC, h.seq`
/** Who waits longest over all levels: the heads of each, by seq. */
const longestSql = `
SELECT ${head} FROM unnest($2::text[]) AS k (type) CROSS JOIN generate_series($3::bigint, $4::bigint) AS p (level)
CROSS JOIN LATERAL (SELECT * FROM tasks AS t WHERE t.agent_type = $1 AND t.type = k.type AND t.priority = p.level
  AND t.state = 'ready' ORDER BY t.seq LIMIT $5) AS h ORDER BY h.seq LIMIT $5`

/** The tasks that start next, in their order. */
const startNext = async (session: Session, agentType: string, ask: OrderAsk): Promise<number[]> => {
  const kinds = await session.all<Kind>(kindsSql, agentType)
  if (kinds.length === 0) return []
  const types = kinds.map(({ type }) => type)
  const low = Math.min(...kinds.map((kind) => kind.low))
  const high = Math.max(...kinds.map((kind) => kind.high))
  const shared = sharedStarts(ask)
  const passedOver = shared > 0 && low !== high
  const [heads, longest] = await Promise.all([
    session.all<Candidate>(headsSql, agentType, types, ask.slots),
    passedOver ? session.all<Candidate>(longestSql, agentType, types, low, high, shared) : [],
  ])
  if (types.length === 1 && !passedOver) return heads.map(({ seq }) => seq)
  const queues = types.map((type) => heads.filter((one) => one.type === type))
  return startOrder(queues, longest, ask).map(({ seq }) => seq)
}

interface TakenRow {
  place: number
  id: string
  type: string
  key: string | null
  payload: string
  number: number
  fence: number
  deadline_ms: number | null
  batch: string | null
  priority: number
  deaths: number
}

/** Gives each task to its slot, passing over rows that somebody else has locked. The fence stands in the statement. */
const takeSql = `
WITH asked AS (
  SELECT * FROM unnest($4::bigint[], $5::text[], $6::text[], $7::bigint[]) WITH ORDINALITY
    AS s (seq, agent, cell, agent_epoch, place)
), free AS (
  SELECT t.* FROM tasks AS t WHERE t.seq = ANY($4::bigint[]) AND ${plainState('t.state')} = 'ready'
    AND EXISTS (SELECT 1 FROM hosts WHERE owner = $1 AND epoch = $2) FOR UPDATE OF t SKIP LOCKED
), taken AS (
  UPDATE tasks AS t SET state = 'running', reason = NULL, until_ms = NULL, fence = t.fence + 1,
    number = t.attempts + 1, agent = a.agent, agent_epoch = a.agent_epoch, cell = a.cell, owner = $1::text,
    epoch = $2::bigint, started_ms = $3::bigint, updated_ms = $3::bigint, ended_ms = NULL, outcome = NULL,
    late_outcome = NULL, late_ms = NULL, attempt_error = NULL
  FROM asked AS a JOIN free AS f ON f.seq = a.seq WHERE t.seq = a.seq
), past AS (
  INSERT INTO past_attempts (${pastColumns}) SELECT ${pastOfTask} FROM free WHERE started_ms IS NOT NULL
)
SELECT a.place, f.id, f.type, f.key, f.payload, f.attempts + 1 AS number, f.fence + 1 AS fence, f.deadline_ms, f.batch,
  f.priority, f.deaths FROM asked AS a JOIN free AS f ON f.seq = a.seq ORDER BY a.place`

export const claimReady = async (
  session: Session,
  agentType: string,
  slots: readonly Slot[],
  giving: Giving,
): Promise<Claimed[]> => {
  const { owner, epoch, wallMs, turn } = giving
  const seqs = await startNext(session, agentType, { slots: slots.length, turn, nowMs: wallMs })
  if (seqs.length === 0) return []
  const cells = columns(
    slots.slice(0, seqs.length),
    (slot) => slot.agent,
    (slot) => slot.cell,
    (slot) => slot.agentEpoch,
  )
  const rows = await session.all<TakenRow>(takeSql, owner, epoch, wallMs, seqs, ...cells)
  return rows.map((row) => {
    const { agent, cell } = slots[row.place - 1]!
    const { id: task, type, key, payload, number, fence, batch, deaths, priority, deadline_ms: deadlineMs } = row
    session.tallies.task(type, 'ready', 'running')
    const attempt = attemptId(task, fence)
    return { task, type, key, payload, agent, cell, attempt, number, fence, deadlineMs, batch, priority, deaths }
  })
}

export const tasksClaim = async (
  session: Session,
  asked: TasksClaim['with'],
): Promise<Result<{ claimed: Claimed[]; more: boolean }>> => {
  const claimed = await claimReady(session, asked.agentType, asked.slots, asked)
  // The fence stands in the claim too: what comes back empty may be a newer sitter's.
  if (claimed.length === 0 && !(await isNewest(session, asked.owner, asked.epoch)))
    return refuse('stale', 'a newer sitter owns the record')
  return done({ claimed, more: claimed.length === asked.slots.length && (await hasReady(session, asked.agentType)) })
}
