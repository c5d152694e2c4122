/** Reads of tasks and attempts. */
import { parseAttemptId, taskStates } from '../../model/model.ts'
import type { Queries } from '../queries.ts'
import { attemptCursor, cursor, page } from '../sqlite/read-work.ts'
import { attemptView, taskView, type AttemptRow, type TaskRow } from '../sqlite/rows.ts'
import type { Asking } from './session.ts'
import { attemptTallies, leftTallies, partialTallies, taskTallies } from './tallies.ts'

type WorkReads = Pick<
  Queries,
  | 'task'
  | 'taskByKey'
  | 'tasksByKeys'
  | 'tasks'
  | 'taskCounts'
  | 'attemptCounts'
  | 'partialCounts'
  | 'agentsThatSucceeded'
  | 'attempts'
  | 'attemptsPage'
  | 'attempt'
  | 'attemptsOf'
  | 'readyTypes'
  | 'waitedFor'
  | 'nextTaskDueMs'
  | 'spentMs'
  | 'taskDurations'
  | 'taskWaits'
  | 'leftCounts'
>

const durations = `
SELECT COUNT(*) AS count, percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95, percentile_cont(0.99) WITHIN GROUP (ORDER BY took) AS p99
FROM (SELECT (updated_ms - created_ms)::double precision AS took FROM tasks
  WHERE type = $1 AND state = 'succeeded' AND CASE WHEN $2::text IS NULL THEN seq > $3 ELSE batch = $2 END) AS ended`

/** The first attempt's start is in the task's row, or with its past attempts when another has followed. */
const waits = `
SELECT COUNT(*) AS count, percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95, percentile_cont(0.99) WITHIN GROUP (ORDER BY took) AS p99
FROM (SELECT GREATEST(0, COALESCE(p.started_ms, t.started_ms) - GREATEST(t.created_ms, COALESCE(t.not_before_ms, 0))
    )::double precision AS took
  FROM tasks AS t LEFT JOIN past_attempts AS p ON p.task_seq = t.seq AND p.fence = 1
  WHERE t.type = $1 AND t.seq > $2 AND t.started_ms IS NOT NULL AND t.after IS NULL AND t.life = 1
    AND (t.fence = 1 OR p.fence IS NOT NULL)) AS started`

/** By skipping along the index: DISTINCT would walk over every ready task. */
const readyTypesSql = `
WITH RECURSIVE types (type) AS (
  (SELECT agent_type FROM tasks WHERE state = 'ready' ORDER BY agent_type LIMIT 1)
  UNION ALL
  SELECT (SELECT t.agent_type FROM tasks AS t WHERE t.state = 'ready' AND t.agent_type > types.type
    ORDER BY t.agent_type LIMIT 1) FROM types WHERE types.type IS NOT NULL
)
SELECT type FROM types WHERE type IS NOT NULL`

/** In the same way. */
const waitedForSql = `
WITH RECURSIVE found (name) AS (
  (SELECT waits_for FROM tasks WHERE state = 'waiting' AND waits_for > $1 ORDER BY waits_for LIMIT 1)
  UNION ALL
  SELECT (SELECT t.waits_for FROM tasks AS t WHERE t.state = 'waiting' AND t.waits_for > found.name
    ORDER BY t.waits_for LIMIT 1) FROM found WHERE found.name IS NOT NULL
)
SELECT name FROM found WHERE name IS NOT NULL LIMIT $2`

type AttemptReads = Pick<Queries, 'attempts' | 'attemptsPage' | 'attemptsOf' | 'attempt'>

/**
 * How many of the newest tasks are looked through for an agent's attempts: an index by agent would cost every task more
 * than all other indexes together (measured with SQLite).
 */
const lookedThrough = 20_000

/** Row number above which the newest tasks lie. */
const lowestLooked = async (session: Asking): Promise<number> => {
  const top = await session.one<{ seq: number | null }>('SELECT MAX(seq) AS seq FROM tasks')
  return Math.max(0, (top?.seq ?? 0) - lookedThrough)
}

const newest = `SELECT seq, id AS task, fence, life, number, agent, cell, started_ms, ended_ms, outcome,
  attempt_error AS error FROM tasks`
const past = `SELECT t.seq, t.id AS task, p.fence, p.life, p.number, p.agent, p.cell, p.started_ms, p.ended_ms,
  p.outcome, p.error FROM past_attempts AS p JOIN tasks AS t ON t.seq = p.task_seq`

/** One statement for newest and past attempts: with two, one that is retried in between would be seen twice or not. */
const pageSql = `
(${newest} WHERE seq >= $1 AND (seq > $1 OR fence > $2) AND started_ms IS NOT NULL ORDER BY seq LIMIT $3)
UNION ALL
(${past} WHERE p.task_seq >= $1 AND (p.task_seq > $1 OR p.fence > $2) ORDER BY p.task_seq, p.fence LIMIT $3)
ORDER BY seq, fence LIMIT $3`

const ofAgentSql = `
(${newest} WHERE seq > $1 AND agent = $2 AND started_ms IS NOT NULL ORDER BY seq DESC LIMIT $3)
UNION ALL
(${past} WHERE p.agent = $2 ORDER BY p.started_ms DESC LIMIT $3)
ORDER BY started_ms DESC, seq DESC, fence DESC LIMIT $3`

const attemptReads = (session: Asking): AttemptReads => ({
  attempts: async (task) =>
    (await session.all<AttemptRow>('SELECT * FROM attempts WHERE task = $1 ORDER BY fence', task)).map(attemptView),
  attemptsPage: async ({ limit, after }) => {
    const [seq, fence] = attemptCursor(after)
    const rows = await session.all<AttemptRow>(pageSql, seq, fence, limit + 1)
    const last = rows[limit - 1]
    return {
      items: rows.slice(0, limit).map(attemptView),
      next: rows.length > limit && last !== undefined ? `${last.seq}.${last.fence}` : null,
    }
  },
  attemptsOf: async (agent, limit) => {
    const lowest = await lowestLooked(session)
    const rows = await session.all<AttemptRow>(ofAgentSql, lowest, agent, limit)
    return { items: rows.map(attemptView), ofNewestTasks: lowest === 0 ? null : lookedThrough }
  },
  attempt: async (id) => {
    const at = parseAttemptId(id)
    if (at === undefined) return undefined
    const sql = 'SELECT * FROM attempts WHERE task = $1 AND fence = $2'
    const row = await session.one<AttemptRow>(sql, at.task, at.fence)
    return row && attemptView(row)
  },
})

/** As a literal: only then the planner sees which partial index holds the state. */
const stateIs = (state: string | undefined): string => {
  if (state === undefined) return ''
  return (taskStates as readonly string[]).includes(state) ? `AND state = '${state}'` : 'AND false'
}

/** An agent has replaced the payload by what it left of the work. */
const partlyDone = "AND id IN (SELECT task FROM payloads WHERE actor LIKE 'agent:%')"

const taskReads = (session: Asking): Pick<WorkReads, 'task' | 'taskByKey' | 'tasksByKeys' | 'tasks'> => ({
  task: async (id) => {
    const row = await session.one<TaskRow>('SELECT * FROM tasks WHERE id = $1', id)
    return row && taskView(row)
  },
  taskByKey: async (type, key) => {
    const row = await session.one<TaskRow>('SELECT * FROM tasks WHERE type = $1 AND key = $2', type, key)
    return row && taskView(row)
  },
  tasksByKeys: (type, keys) =>
    session.all('SELECT id, key, payload FROM tasks WHERE type = $1 AND key = ANY($2::text[])', type, keys),
  tasks: async (filter, { limit, after }) => {
    const rows = await session.all<TaskRow>(
      `SELECT * FROM tasks WHERE seq > $1 AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR batch = $3)
         ${stateIs(filter.state)} ${filter.partial ? partlyDone : ''} ORDER BY seq LIMIT $4`,
      cursor(after),
      filter.type ?? null,
      filter.batch ?? null,
      limit + 1,
    )
    return page(rows, limit, taskView)
  },
})

export const workReads = (session: Asking): WorkReads => ({
  ...attemptReads(session),
  ...taskReads(session),
  taskCounts: (batch) =>
    batch === undefined
      ? taskTallies(session)
      : session.all(
          'SELECT type, state, COUNT(*) AS count FROM tasks WHERE batch = $1 GROUP BY type, state ORDER BY type, state',
          batch,
        ),
  attemptCounts: () => attemptTallies(session),
  partialCounts: () => partialTallies(session),
  leftCounts: () => leftTallies(session),
  agentsThatSucceeded: async (taskType) => {
    const row = await session.one<{ count: number }>(
      `SELECT COUNT(DISTINCT agent) AS count FROM tasks
       WHERE state = 'succeeded' AND seq > $2 AND ($1::text IS NULL OR type = $1)`,
      taskType ?? null,
      await lowestLooked(session),
    )
    return row!.count
  },
  readyTypes: async () => {
    return (await session.all<{ type: string }>(readyTypesSql)).map((row) => row.type)
  },
  waitedFor: async (after, limit) => {
    return (await session.all<{ name: string }>(waitedForSql, after, limit)).map((row) => row.name)
  },
  spentMs: async (task) => {
    const row = await session.one<{ spent: number | string }>(
      `SELECT COALESCE(SUM(p.ended_ms - p.started_ms), 0) AS spent FROM past_attempts AS p
         JOIN tasks AS t ON t.seq = p.task_seq AND t.life = p.life
         LEFT JOIN past_attempts AS n ON n.task_seq = p.task_seq AND n.fence = p.fence + 1
       WHERE t.id = $1 AND p.ended_ms IS NOT NULL
         AND (p.outcome <> 'interrupted' OR p.epoch = COALESCE(n.epoch, t.epoch))`,
      task,
    )
    return Number(row!.spent)
  },
  nextTaskDueMs: async () => {
    const sql = "SELECT MIN(until_ms) AS due FROM tasks WHERE state = 'waiting' AND until_ms IS NOT NULL"
    return (await session.one<{ due: number | null }>(sql))!.due
  },
  taskDurations: async (type, batch) => {
    const row = await session.one<{ count: number; p50: number; p95: number; p99: number }>(
      durations,
      type,
      batch ?? null,
      await lowestLooked(session),
    )
    if (row!.count === 0) return null
    const all = (await taskTallies(session)).find((one) => one.type === type && one.state === 'succeeded')
    return batch === undefined && all !== undefined ? { ...row!, count: all.count } : row!
  },
  taskWaits: async (type) => {
    const row = await session.one<{ count: number; p50: number; p95: number; p99: number }>(
      waits,
      type,
      await lowestLooked(session),
    )
    return row!.count === 0 ? null : { p50: row!.p50, p95: row!.p95, p99: row!.p99 }
  },
})
