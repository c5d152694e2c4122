/** Reads of dead letters, payload versions and dependencies, and of what agents share. */
import type { PageAsk } from '../page.ts'
import type { Queries, StateView } from '../queries.ts'
import { cursor, page } from '../sqlite/read-work.ts'
import { deadView, lockView, taskView, type DeadRow, type LockRow, type TaskRow } from '../sqlite/rows.ts'
import type { Asking } from './session.ts'

type DeadReads = Pick<Queries, 'deadLetters' | 'deadLettersOf' | 'payloadsOf' | 'dependencies' | 'nextTaskDeadlineMs'>
type SharedReads = Pick<Queries, 'state' | 'states' | 'lock' | 'locks'>

/** A part of a text for LIKE, whatever signs it has. */
const likePart = (part: string): string => `%${part.toLowerCase().replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)}%`

export const deadReads = (session: Asking): DeadReads => ({
  deadLetters: async (filter, { limit, after }) => {
    const rows = await session.all<TaskRow & { dead_seq: number }>(
      `SELECT tasks.*, dead.seq AS dead_seq FROM dead_letters AS dead JOIN tasks ON tasks.id = dead.task
       WHERE dead.closed IS NULL AND dead.seq > $1 AND ($2::text IS NULL OR dead.type = $2)
         AND ($3::text IS NULL OR dead.error_text LIKE $3) AND ($4::bigint IS NULL OR dead.died_ms >= $4)
         AND (NOT $6 OR EXISTS (SELECT 1 FROM payloads AS p WHERE p.task = dead.task AND p.actor LIKE 'agent:%'))
       ORDER BY dead.seq LIMIT $5`,
      cursor(after),
      filter.type ?? null,
      filter.error === undefined ? null : likePart(filter.error),
      filter.sinceMs ?? null,
      limit + 1,
      filter.partial === true,
    )
    const deadOrder = rows.map((row) => ({ ...row, seq: row.dead_seq }))
    return page(deadOrder, limit, taskView)
  },
  deadLettersOf: async (task) =>
    (await session.all<DeadRow>('SELECT * FROM dead_letters WHERE task = $1 ORDER BY life', task)).map(deadView),
  payloadsOf: (task) =>
    session.all(
      `SELECT version, payload, actor, replaced_ms AS "replacedMs" FROM payloads WHERE task = $1 ORDER BY version`,
      task,
    ),
  dependencies: (task) =>
    session.all('SELECT after AS task, ended FROM dependencies WHERE task = $1 ORDER BY place', task),
  nextTaskDeadlineMs: async () => {
    const row = await session.one<{ next: number | null }>(
      `SELECT MIN(deadline_ms) AS next FROM tasks WHERE state IN ('blocked', 'ready', 'waiting')
         AND deadline_ms IS NOT NULL AND (reason IS NULL OR reason <> 'approval')`,
    )
    return row!.next
  },
})

const stateColumns = 'seq, name, value, version, actor, updated_ms AS "updatedMs"'

const stateView = ({ name, value, version, actor, updatedMs }: StateView): StateView => ({
  name,
  value,
  version,
  actor,
  updatedMs,
})

export const sharedReads = (session: Asking): SharedReads => ({
  state: async (name) => {
    const row = await session.one<StateView>(`SELECT ${stateColumns} FROM shared_state WHERE name = $1`, name)
    return row && stateView(row)
  },
  states: async ({ limit, after }: PageAsk) => {
    const sql = `SELECT ${stateColumns} FROM shared_state WHERE seq > $1 ORDER BY seq LIMIT $2`
    return page(await session.all<StateView & { seq: number }>(sql, cursor(after), limit + 1), limit, stateView)
  },
  lock: async (name) => {
    const row = await session.one<LockRow>('SELECT * FROM locks WHERE name = $1', name)
    return row && lockView(row)
  },
  locks: async ({ limit, after }: PageAsk) => {
    const sql = 'SELECT * FROM locks WHERE seq > $1 ORDER BY seq LIMIT $2'
    return page(await session.all<LockRow>(sql, cursor(after), limit + 1), limit, lockView)
  },
})
