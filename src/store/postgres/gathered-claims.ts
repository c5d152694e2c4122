/**
 * Claims in a gathered turn: one statement each, which finds the tasks that start next and gives them out. It can do so
 * where the order of starts is that of the index: one task type is ready, and of one priority when a start is due to
 * who waits longest. Elsewhere it leaves the claim, and the order is decided on the heads (work-ready.ts).
 */
import { attemptId } from '../../model/model.ts'
import type { Claimed, TasksClaim } from '../commands/work.ts'
import { sharedStarts } from '../order.ts'
import { plainState } from './plans.ts'
import { numbers, texts } from './session.ts'
import type { Statement } from './whole.ts'
import { pastColumns, pastOfTask } from './work-end.ts'

const ready = "agent_type = $3::text AND state = 'ready'"
const priority = (order: string): string =>
  `(SELECT priority FROM tasks AS t WHERE ${ready} AND t.type = k.type ORDER BY t.priority ${order} LIMIT 1)`

/**
 * One row more than there are slots tells whether more tasks wait. The steps before the UPDATE carry places only: with
 * whole rows, locked first, a claim took half as much again. The state stands in the UPDATE too: what somebody else has
 * taken meanwhile is not given, and its slot stays empty.
 */
const claimSql = `
WITH kind AS MATERIALIZED (
  SELECT k.type, NOT EXISTS (SELECT 1 FROM tasks AS t WHERE ${ready} AND t.type > k.type)
    AND (NOT $5::boolean OR ${priority('')} = ${priority('DESC')}) AS plain
  FROM (SELECT type FROM tasks WHERE ${ready} ORDER BY type LIMIT 1) AS k
), placed AS MATERIALIZED (
  SELECT seq, started_ms IS NOT NULL AS again, row_number() OVER (ORDER BY priority DESC, seq) AS place
  FROM (SELECT seq, started_ms, priority FROM tasks AS t
    WHERE ${ready} AND t.type = (SELECT type FROM kind WHERE plain)
    ORDER BY t.priority DESC, t.seq LIMIT $6::bigint + 1) AS next
), past AS (
  INSERT INTO past_attempts (${pastColumns})
  SELECT ${pastOfTask} FROM tasks WHERE seq IN (SELECT seq FROM placed WHERE again AND place <= $6::bigint)
), taken AS (
  UPDATE tasks AS t SET state = 'running', reason = NULL, until_ms = NULL, fence = t.fence + 1,
    number = t.attempts + 1, agent = s.agent, agent_epoch = s.agent_epoch, cell = s.cell, owner = $1::text,
    epoch = $2::bigint, started_ms = $4::bigint, updated_ms = $4::bigint, ended_ms = NULL, outcome = NULL,
    late_outcome = NULL, late_ms = NULL, attempt_error = NULL
  FROM unnest($7::text[], $8::text[], $9::bigint[]) WITH ORDINALITY AS s (agent, cell, agent_epoch, place)
    JOIN placed AS p ON p.place = s.place WHERE t.seq = p.seq AND ${plainState('t.state')} = 'ready'
  RETURNING s.place, t.id, t.type, t.key, t.payload, t.number, t.fence, t.deadline_ms, t.batch, t.priority, t.deaths
), counted AS (
  INSERT INTO tallies (kind, type, label, count)
  SELECT 'task', type, label, sign * COUNT(*) FROM taken, (VALUES ('ready', -1), ('running', 1)) AS c (label, sign)
  GROUP BY type, label, sign
  ON CONFLICT (kind, type, label) DO UPDATE SET count = tallies.count + excluded.count
)
SELECT k.plain, EXISTS (SELECT 1 FROM placed WHERE place > $6::bigint) AS more, t.*
FROM kind AS k LEFT JOIN taken AS t ON true ORDER BY t.place`

interface ClaimRow {
  plain: boolean
  more: boolean
  place: number | null
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

export const claimStatement = ({ agentType, slots, turn, owner, epoch, wallMs }: TasksClaim['with']): Statement => ({
  sql: claimSql,
  values: [
    owner,
    epoch,
    agentType,
    wallMs,
    sharedStarts({ slots: slots.length, turn }) > 0,
    slots.length,
    texts(slots, ({ agent }) => agent),
    texts(slots, ({ cell }) => cell),
    numbers(slots, ({ agentEpoch }) => agentEpoch),
  ],
})

/** What was claimed; undefined when the statement left it. No row: no task is ready. */
export const claimAnswer = (
  { slots }: TasksClaim['with'],
  rows: readonly unknown[],
): { readonly claimed: readonly Claimed[]; readonly more: boolean } | undefined => {
  const found = rows as readonly ClaimRow[]
  if (found[0]?.plain === false) return undefined
  const claimed = found.flatMap((row) => {
    if (row.place === null) return []
    const { agent, cell } = slots[row.place - 1]!
    const { id: task, type, key, payload, number, fence, batch, deaths, priority, deadline_ms: deadlineMs } = row
    const attempt = attemptId(task, fence)
    return [{ task, type, key, payload, agent, cell, attempt, number, fence, deadlineMs, batch, priority, deaths }]
  })
  return { claimed, more: found[0]?.more === true }
}
