/**
 * Reads of tasks and attempts. Cursors are row numbers as text: stable under inserts, and a bad one reads as the
 * start's refusal.
 */
import type { AttemptView, Page, PageAsk, TaskView } from '../queries.ts'
import type { Reads } from './answers.ts'
import { attemptView, taskView, type AttemptRow, type TaskRow } from './rows.ts'
import type { Session } from './session.ts'

/** Row number of a cursor; 0 reads from the start. What is no number finds nothing, as rows are numbered from 1. */
export const cursor = (after: string | null): number =>
  after === null ? 0 : /^[0-9]{1,15}$/.test(after) ? Number(after) : Number.MAX_SAFE_INTEGER

/** One page of rows: asks for one row more than the page holds, to know whether there is a next. */
export const page = <Row extends { seq: number | bigint }, Item>(
  rows: Row[],
  limit: number,
  view: (row: Row) => Item,
): Page<Item> => {
  const kept = rows.slice(0, limit)
  return { items: kept.map(view), next: rows.length > limit ? String(kept.at(-1)!.seq) : null }
}

type WorkReads = Pick<
  Reads,
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

const durations = `SELECT COUNT(*) AS count, percentile(updated_ms - created_ms, 50) AS p50,
percentile(updated_ms - created_ms, 95) AS p95,
  percentile(updated_ms - created_ms, 99) AS p99 FROM tasks
  WHERE type = ?1 AND state = 'succeeded' AND (?2 IS NULL OR batch = ?2)`

type AttemptReads = Pick<Reads, 'attempts' | 'attemptsPage' | 'attemptsOf' | 'attempt'>

const attemptReads = (session: Session): AttemptReads => ({
  attempts: (task) =>
    session.all<AttemptRow>('SELECT * FROM attempts WHERE task = ? ORDER BY seq', task).map(attemptView),
  attemptsPage: ({ limit, after }: PageAsk): Page<AttemptView> =>
    page(
      session.all<AttemptRow>('SELECT * FROM attempts WHERE seq > ? ORDER BY seq LIMIT ?', cursor(after), limit + 1),
      limit,
      attemptView,
    ),
  attemptsOf: (agent, limit) =>
    session
      .all<AttemptRow>('SELECT * FROM attempts WHERE agent = ? ORDER BY seq DESC LIMIT ?', agent, limit)
      .map(attemptView),
  attempt: (id) => {
    const row = session.one<AttemptRow>('SELECT * FROM attempts WHERE id = ?', id)
    return row && attemptView(row)
  },
})

export const workReads = (session: Session): WorkReads => ({
  ...attemptReads(session),
  task: (id) => {
    const row = session.one<TaskRow>('SELECT * FROM tasks WHERE id = ?', id)
    return row && taskView(row)
  },
  taskByKey: (type, key) => {
    const row = session.one<TaskRow>('SELECT * FROM tasks WHERE type = ? AND key = ?', type, key)
    return row && taskView(row)
  },
  tasksByKeys: (type, keys) =>
    session.all(
      'SELECT id, key, payload FROM tasks WHERE type = ? AND key IN (SELECT value FROM json_each(?))',
      type,
      JSON.stringify(keys),
    ),
  tasks: (filter, { limit, after }): Page<TaskView> =>
    page(
      session.all<TaskRow>(
        `SELECT * FROM tasks WHERE seq > ?1 AND (?2 IS NULL OR type = ?2) AND (?3 IS NULL OR state = ?3) AND
          (?4 IS NULL OR batch = ?4)
       ORDER BY seq LIMIT ?5`,
        cursor(after),
        filter.type ?? null,
        filter.state ?? null,
        filter.batch ?? null,
        limit + 1,
      ),
      limit,
      taskView,
    ),
  taskCounts: (batch) =>
    batch === undefined
      ? session.all('SELECT type, state, COUNT(*) AS count FROM tasks GROUP BY type, state ORDER BY type, state')
      : session.all(
          'SELECT type, state, COUNT(*) AS count FROM tasks WHERE batch = ? GROUP BY type, state ORDER BY type, state',
          batch,
        ),
  attemptCounts: () =>
    session.all(
      "SELECT COALESCE(outcome, 'running') AS outcome, COUNT(*) AS count FROM attempts GROUP BY 1 ORDER BY 1",
    ),
  agentsThatSucceeded: (taskType) =>
    session.one<{ count: number }>(
      "SELECT COUNT(DISTINCT agent) AS count FROM tasks WHERE state = 'succeeded' AND (?1 IS NULL OR type = ?1)",
      taskType ?? null,
    )!.count,
  // By skipping along the index: DISTINCT would walk over every ready task.
  readyTypes: () => {
    const types: string[] = []
    for (;;) {
      const next = session.one<{ type: string }>(
        `SELECT agent_type AS type FROM tasks WHERE state = 'ready' AND agent_type > ? ORDER BY agent_type LIMIT 1`,
        types.at(-1) ?? '',
      )
      if (next === undefined) return types
      types.push(next.type)
    }
  },
  nextTaskDueMs: () =>
    session.one<{ due: number | null }>(
      "SELECT MIN(until_ms) AS due FROM tasks WHERE state = 'waiting' AND until_ms IS NOT NULL",
    )!.due,
  taskDurations: (type, batch) => {
    const row = session.one<{ count: number; p50: number; p95: number; p99: number }>(durations, type, batch ?? null)!
    return row.count === 0 ? null : row
  },
})
