/** Reads of tasks and attempts. */
import type { Queries } from '../queries.ts'
import { cursor, page } from '../sqlite/read-work.ts'
import { attemptView, taskView, type AttemptRow, type TaskRow } from '../sqlite/rows.ts'
import type { Asking } from './session.ts'

type WorkReads = Pick<
  Queries,
  | 'task'
  | 'taskByKey'
  | 'tasksByKeys'
  | 'tasks'
  | 'taskCounts'
  | 'attemptCounts'
  | 'agentsThatSucceeded'
  | 'attempts'
  | 'attemptsPage'
  | 'attempt'
  | 'attemptsOf'
  | 'readyTypes'
  | 'nextTaskDueMs'
  | 'taskDurations'
>

const durations = `
SELECT COUNT(*) AS count, percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95, percentile_cont(0.99) WITHIN GROUP (ORDER BY took) AS p99
FROM (SELECT (updated_ms - created_ms)::double precision AS took FROM tasks
  WHERE type = $1 AND state = 'succeeded' AND ($2::text IS NULL OR batch = $2)) AS ended`

type AttemptReads = Pick<Queries, 'attempts' | 'attemptsPage' | 'attemptsOf' | 'attempt'>

const attemptReads = (session: Asking): AttemptReads => ({
  attempts: async (task) =>
    (await session.all<AttemptRow>('SELECT * FROM attempts WHERE task = $1 ORDER BY seq', task)).map(attemptView),
  attemptsPage: async ({ limit, after }) => {
    const sql = 'SELECT * FROM attempts WHERE seq > $1 ORDER BY seq LIMIT $2'
    return page(await session.all<AttemptRow>(sql, cursor(after), limit + 1), limit, attemptView)
  },
  attemptsOf: async (agent, limit) => {
    const sql = 'SELECT * FROM attempts WHERE agent = $1 ORDER BY seq DESC LIMIT $2'
    return (await session.all<AttemptRow>(sql, agent, limit)).map(attemptView)
  },
  attempt: async (id) => {
    const row = await session.one<AttemptRow>('SELECT * FROM attempts WHERE id = $1', id)
    return row && attemptView(row)
  },
})

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
      `SELECT * FROM tasks WHERE seq > $1 AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR state = $3)
         AND ($4::text IS NULL OR batch = $4) ORDER BY seq LIMIT $5`,
      cursor(after),
      filter.type ?? null,
      filter.state ?? null,
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
    session.all(
      `SELECT type, state, COUNT(*) AS count FROM tasks WHERE ($1::text IS NULL OR batch = $1)
       GROUP BY type, state ORDER BY type, state`,
      batch ?? null,
    ),
  attemptCounts: () =>
    session.all(
      "SELECT COALESCE(outcome, 'running') AS outcome, COUNT(*) AS count FROM attempts GROUP BY 1 ORDER BY 1",
    ),
  agentsThatSucceeded: async (taskType) => {
    const row = await session.one<{ count: number }>(
      `SELECT COUNT(DISTINCT agent) AS count FROM tasks
       WHERE state = 'succeeded' AND ($1::text IS NULL OR type = $1)`,
      taskType ?? null,
    )
    return row!.count
  },
  readyTypes: async () => {
    const sql = "SELECT DISTINCT agent_type FROM tasks WHERE state = 'ready' ORDER BY agent_type"
    return (await session.all<{ agent_type: string }>(sql)).map((row) => row.agent_type)
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
    )
    return row!.count === 0 ? null : row!
  },
})
