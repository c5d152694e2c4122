/**
 * The statements of gathered.ts. They are short of steps on purpose: what a statement costs whatever it holds (700 µs a
 * turn at first) was more than what a task costs (35 µs) with the 15 to 50 tasks that a turn has.
 */

import { plainState } from './plans.ts'

const columns = `id, type, payload, priority, max_attempts, deadline_ms, batch, on_failed, wall_ms, agent, agent_epoch,
  cell`
const kinds = `$4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[],
  $12::bigint[], $13::text[], $14::bigint[], $15::text[]`

/**
 * Ready tasks of the agent type go first: then none of the new ones runs at once. OFFSET keeps it a step of its own,
 * made once; else it is put in for each mention of `runs`.
 */
const queue = `(
    SELECT EXISTS (SELECT 1 FROM tasks WHERE agent_type = $3::text AND state = 'ready') AS waits OFFSET 0) AS q`
const runs = 'agent IS NOT NULL AND NOT waits AS runs'

const fromTo = `
  INSERT INTO tasks (id, type, payload, priority, max_attempts, deadline_ms, batch, on_failed, created_ms, updated_ms,
    agent_type, span_ms, state, fence, number, agent, agent_epoch, cell, owner, epoch, started_ms, key, payload_hash)
  SELECT id, type, payload, priority, max_attempts, deadline_ms, batch, on_failed, wall_ms, wall_ms,
    $3::text, deadline_ms - wall_ms, CASE WHEN runs THEN 'running' ELSE 'ready' END, CASE WHEN runs THEN 1 ELSE 0 END,
    CASE WHEN runs THEN 1 END, CASE WHEN runs THEN agent END, CASE WHEN runs THEN agent_epoch END,
    CASE WHEN runs THEN cell END, CASE WHEN runs THEN $1::text END, CASE WHEN runs THEN $2::bigint END,
    CASE WHEN runs THEN wall_ms END`

const counted = `counted AS (
  INSERT INTO tallies (kind, type, label, count)
  SELECT 'task', type, state, COUNT(*) FROM written GROUP BY type, state
  ON CONFLICT (kind, type, label) DO UPDATE SET count = tallies.count + excluded.count
)`
const running = `(SELECT COUNT(*) FROM written WHERE state = 'running') AS running`

/** New tasks of one agent type, without keys. They are numbered as they stand: unnest gives them in their order. */
export const submissionsSql = `
WITH written AS (${fromTo}, NULL, NULL
  FROM (SELECT *, ${runs} FROM ${queue}, unnest(${kinds}) AS t (${columns})) AS a
  RETURNING type, state
), ${counted}
SELECT ${running}, NULL AS known`

/**
 * The same with keys: `known` are the lists with one that is there already; nothing of these is written. With $19 such
 * a list is an error, for something else was sent that belongs to it.
 */
export const keyedSubmissionsSql = `
WITH asked AS MATERIALIZED (
  SELECT * FROM unnest(${kinds}, $16::text[], $17::text[], $18::bigint[]) WITH ORDINALITY
    AS t (${columns}, key, payload_hash, list, at)
), known AS MATERIALIZED (
  SELECT a.list FROM asked AS a JOIN tasks AS t ON t.type = a.type AND t.key = a.key
  WHERE a.key IS NOT NULL AND t.key IS NOT NULL
), written AS (${fromTo}, key, payload_hash
  FROM (SELECT *, ${runs} FROM ${queue}, asked WHERE list NOT IN (SELECT list FROM known)) AS a ORDER BY at
  RETURNING type, state
), ${counted}
SELECT ${running}, (SELECT array_agg(list::int) FROM known) AS known,
  1 / CASE WHEN $19::boolean AND EXISTS (SELECT 1 FROM known) THEN 0 ELSE 1 END AS whole`

/**
 * Ends what still owns its task and is awaited by nobody; gives their places. A list of which one has ended and another
 * has not is an error: $6 says how many it has.
 */
export const endsSql = `
WITH ended AS (
  UPDATE tasks AS t SET state = 'succeeded', reason = NULL, until_ms = NULL, attempts = t.attempts + 1,
    result = a.result, error = NULL, outcome = 'succeeded', ended_ms = a.wall_ms, updated_ms = a.wall_ms
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::int[]) WITH ORDINALITY
    AS a (task, fence, result, wall_ms, list, at)
  WHERE t.id = a.task AND t.fence = a.fence AND ${plainState('t.state')} = 'running' AND t.awaited = 0
  RETURNING t.type, a.list, a.at
), counted AS (
  INSERT INTO tallies (kind, type, label, count)
  SELECT c.kind, CASE c.kind WHEN 'task' THEN e.type ELSE '' END, c.label, SUM(c.change)
  FROM ended AS e, (VALUES ('task', 'running', -1), ('task', 'succeeded', 1), ('attempt', 'succeeded', 1))
    AS c (kind, label, change) GROUP BY 1, 2, 3
  ON CONFLICT (kind, type, label) DO UPDATE SET count = tallies.count + excluded.count
)
SELECT array_agg(at::int) AS ended, 1 / CASE WHEN EXISTS (
    SELECT 1 FROM ended GROUP BY list HAVING COUNT(*) <> ($6::int[])[list]) THEN 0 ELSE 1 END AS whole FROM ended`
