/**
 * Reads of tasks and attempts. Cursors are row numbers as text: stable under inserts, and a bad one reads as the
 * start's refusal.
 */
import { parseAttemptId, taskStates, type TaskStateName } from '../../model/model.ts'
import type { Page, PageAsk } from '../page.ts'
import type { AttemptView, TaskFilter, TaskView } from '../queries.ts'
import type { Reads } from './answers.ts'
import { attemptView, taskView, type AttemptRow, type TaskRow } from './rows.ts'
import type { Session } from './session.ts'
import { attemptTallies, leftTallies, partialTallies, taskTallies } from './tallies.ts'

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

const percentiles = `SELECT COUNT(*) AS count, percentile(took, 50) AS p50, percentile(took, 95) AS p95,
  percentile(took, 99) AS p99`
const durationsOfBatch = `${percentiles} FROM (SELECT updated_ms - created_ms AS took FROM tasks
  WHERE batch = ?2 AND state = 'succeeded' AND type = ?1)`
/** Percentiles of the newest, and the count of all: a pass over a million rows would hold the loop for most of 1 s. */
const durations = `${percentiles} FROM (SELECT updated_ms - created_ms AS took FROM tasks
  WHERE type = ?1 AND state = 'succeeded' AND seq > ?2)`

/** By skipping along the index, as many steps as there are texts. */
const waitedFor = (session: Session, after: string, limit: number): string[] => {
  const found: string[] = []
  while (found.length < limit) {
    const next = session.one<{ waits_for: string }>(
      `SELECT waits_for FROM tasks WHERE state = 'waiting' AND waits_for > ? ORDER BY waits_for LIMIT 1`,
      found.at(-1) ?? after,
    )
    if (next === undefined) break
    found.push(next.waits_for)
  }
  return found
}

/** The first attempt's start is in the task's row, or with its past attempts when another has followed. */
const waits = `${percentiles} FROM (SELECT
    MAX(0, COALESCE(p.started_ms, t.started_ms) - MAX(t.created_ms, COALESCE(t.not_before_ms, 0))) AS took
  FROM tasks AS t LEFT JOIN past_attempts AS p ON p.task_seq = t.seq AND p.fence = 1
  WHERE t.type = ?1 AND t.seq > ?2 AND t.started_ms IS NOT NULL AND t.after IS NULL AND t.life = 1
    AND (t.fence = 1 OR p.fence IS NOT NULL))`

const taskDurations = (
  session: Session,
  type: string,
  batch: string | undefined,
): Awaited<ReturnType<Reads['taskDurations']>> => {
  const [sql, which] = batch === undefined ? [durations, lowestLooked(session)] : [durationsOfBatch, batch]
  const row = session.one<{ count: number; p50: number; p95: number; p99: number }>(sql, type, which)!
  if (row.count === 0) return null
  const all = taskTallies(session).find((one) => one.type === type && one.state === 'succeeded')
  return batch === undefined && all !== undefined ? { ...row, count: all.count } : row
}

type AttemptReads = Pick<Reads, 'attempts' | 'attemptsPage' | 'attemptsOf' | 'attempt'>

/**
 * How many of the newest tasks are looked through for an agent's attempts, for agents that succeeded and for durations:
 * 20,000 rows of small columns take about 10 ms. An index by agent would cost each task more than all the others.
 */
const lookedThrough = 20_000

/** Row number above which the newest tasks lie. */
const lowestLooked = (session: Session): number =>
  Math.max(0, (session.one<{ seq: number | null }>('SELECT MAX(seq) AS seq FROM tasks')?.seq ?? 0) - lookedThrough)

const newest = `SELECT seq, id AS task, fence, life, number, agent, cell, started_ms, ended_ms, outcome,
  attempt_error AS error FROM tasks`
const past = `SELECT t.seq, t.id AS task, p.fence, p.life, p.number, p.agent, p.cell, p.started_ms, p.ended_ms,
  p.outcome, p.error FROM past_attempts AS p CROSS JOIN tasks AS t ON t.seq = p.task_seq`

/** Place after an attempt in the order of tasks and their attempts. */
export const attemptCursor = (after: string | null): readonly [seq: number, fence: number] => {
  if (after === null) return [0, 0]
  const [, seq, fence] = /^([0-9]{1,15})\.([0-9]{1,15})$/.exec(after) ?? []
  return seq === undefined ? [Number.MAX_SAFE_INTEGER, 0] : [Number(seq), Number(fence)]
}

const inOrder = (one: AttemptRow, other: AttemptRow): number => one.seq - other.seq || one.fence - other.fence

/** Newest attempts and past ones, each read in order and no further than the page, then merged. */
const attemptsPage = (session: Session, { limit, after }: PageAsk): Page<AttemptView> => {
  const [seq, fence] = attemptCursor(after)
  const rows = [
    ...session.all<AttemptRow>(
      `${newest} WHERE seq >= ?1 AND (seq > ?1 OR fence > ?2) AND started_ms IS NOT NULL ORDER BY seq LIMIT ?3 + 0`,
      seq,
      fence,
      limit + 1,
    ),
    ...session.all<AttemptRow>(
      `${past} WHERE p.task_seq >= ?1 AND (p.task_seq > ?1 OR p.fence > ?2) ORDER BY p.task_seq, p.fence LIMIT ?3 + 0`,
      seq,
      fence,
      limit + 1,
    ),
  ].toSorted(inOrder)
  const last = rows[limit - 1]
  return {
    items: rows.slice(0, limit).map(attemptView),
    next: rows.length > limit && last !== undefined ? `${last.seq}.${last.fence}` : null,
  }
}

const attemptReads = (session: Session): AttemptReads => ({
  attempts: (task) =>
    session.all<AttemptRow>('SELECT * FROM attempts WHERE task = ? ORDER BY fence', task).map(attemptView),
  attemptsPage: (ask) => attemptsPage(session, ask),
  attemptsOf: (agent, limit) => {
    const lowest = Math.max(
      0,
      (session.one<{ seq: number }>('SELECT MAX(seq) AS seq FROM tasks')?.seq ?? 0) - lookedThrough,
    )
    const rows = [
      ...session.all<AttemptRow>(
        `${newest} WHERE seq > ? AND agent = ? AND started_ms IS NOT NULL ORDER BY seq DESC LIMIT ? + 0`,
        lowest,
        agent,
        limit,
      ),
      ...session.all<AttemptRow>(`${past} WHERE p.agent = ? ORDER BY p.started_ms DESC LIMIT ? + 0`, agent, limit),
    ].toSorted((one, other) => other.started_ms - one.started_ms || inOrder(other, one))
    return { items: rows.slice(0, limit).map(attemptView), ofNewestTasks: lowest === 0 ? null : lookedThrough }
  },
  attempt: (id) => {
    const at = parseAttemptId(id)
    const row = at && session.one<AttemptRow>('SELECT * FROM attempts WHERE task = ? AND fence = ?', at.task, at.fence)
    return row && attemptView(row)
  },
})

const aside = `tasks INDEXED BY tasks_aside
  WHERE state <> 'ready' AND state <> 'running' AND state <> 'succeeded'`

/**
 * Tasks of one state, by the partial index that holds it. SQLite takes one only where the condition stands as it is in
 * the index, and unforced it reads the whole table in the order of the list instead.
 */
const tasksIn: Readonly<Record<TaskStateName, string>> = {
  blocked: `${aside} AND state = 'blocked'`,
  waiting: `${aside} AND state = 'waiting'`,
  dead: `${aside} AND state = 'dead'`,
  cancelled: `${aside} AND state = 'cancelled'`,
  ready: "tasks INDEXED BY tasks_ready WHERE state = 'ready'",
  running: "tasks INDEXED BY tasks_running WHERE state = 'running'",
  succeeded: "tasks WHERE state = 'succeeded'",
}
const tasksOf = (state: string | undefined): string => {
  if (state === undefined) return 'tasks WHERE true'
  return Object.hasOwn(tasksIn, state) ? tasksIn[state as TaskStateName] : 'tasks WHERE false'
}

/** Tasks whose payload an agent replaced by what it left; as many rows as that are read, and no more. */
const partlyDone = (state: string | undefined): string => {
  const named = state !== undefined && (taskStates as readonly string[]).includes(state)
  const inState = state === undefined ? 'true' : named ? `state = '${state}'` : 'false'
  return `(SELECT DISTINCT task FROM payloads WHERE actor GLOB 'agent:*') AS part
    CROSS JOIN tasks ON tasks.id = part.task WHERE ${inState}`
}

const tasksPage = (session: Session, filter: TaskFilter, { limit, after }: PageAsk): Page<TaskView> =>
  page(
    session.all<TaskRow>(
      `SELECT * FROM ${filter.partial ? partlyDone(filter.state) : tasksOf(filter.state)} AND seq > ?1
         AND (?2 IS NULL OR type = ?2) AND (?3 IS NULL OR batch = ?3) ORDER BY seq LIMIT ?4 + 0`,
      cursor(after),
      filter.type ?? null,
      filter.batch ?? null,
      limit + 1,
    ),
    limit,
    taskView,
  )

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
  tasks: (filter, ask) => tasksPage(session, filter, ask),
  taskCounts: (batch) =>
    batch === undefined
      ? taskTallies(session)
      : session.all(
          'SELECT type, state, COUNT(*) AS count FROM tasks WHERE batch = ? GROUP BY type, state ORDER BY type, state',
          batch,
        ),
  attemptCounts: () => attemptTallies(session),
  partialCounts: () => partialTallies(session),
  leftCounts: () => leftTallies(session),
  agentsThatSucceeded: (taskType) =>
    session.one<{ count: number }>(
      `SELECT COUNT(DISTINCT agent) AS count FROM tasks
       WHERE state = 'succeeded' AND seq > ?1 AND (?2 IS NULL OR type = ?2)`,
      lowestLooked(session),
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
  waitedFor: (after, limit) => waitedFor(session, after, limit),
  spentMs: (task) =>
    session.one<{ spent: number }>(
      `SELECT COALESCE(SUM(p.ended_ms - p.started_ms), 0) AS spent FROM past_attempts AS p
         JOIN tasks AS t ON t.seq = p.task_seq AND t.life = p.life
         LEFT JOIN past_attempts AS n ON n.task_seq = p.task_seq AND n.fence = p.fence + 1
       WHERE t.id = ? AND p.ended_ms IS NOT NULL
         AND (p.outcome <> 'interrupted' OR p.epoch = COALESCE(n.epoch, t.epoch))`,
      task,
    )!.spent,
  nextTaskDueMs: () =>
    session.one<{ due: number | null }>(
      "SELECT MIN(until_ms) AS due FROM tasks WHERE state = 'waiting' AND until_ms IS NOT NULL",
    )!.due,
  taskDurations: (type, batch) => taskDurations(session, type, batch),
  taskWaits: (type) => {
    const row = session.one<{ count: number; p50: number; p95: number; p99: number }>(
      waits,
      type,
      lowestLooked(session),
    )!
    return row.count === 0 ? null : { p50: row.p50, p95: row.p95, p99: row.p99 }
  },
})
