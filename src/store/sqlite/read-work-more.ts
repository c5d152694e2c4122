/** Reads of dead letters, payload versions and dependencies, and of what agents share. */
import type { Page, PageAsk } from '../page.ts'
import type { StateView, TaskView } from '../queries.ts'
import type { Reads } from './answers.ts'
import { cursor, page } from './read-work.ts'
import { deadView, lockView, taskView, type DeadRow, type LockRow, type TaskRow } from './rows.ts'
import type { Session } from './session.ts'

type DeadReads = Pick<Reads, 'deadLetters' | 'deadLettersOf' | 'payloadsOf' | 'dependencies' | 'nextTaskDeadlineMs'>
type SharedReads = Pick<Reads, 'state' | 'states' | 'lock' | 'locks'>

/** A part of a text for LIKE, whatever signs it has. */
const likePart = (part: string): string => `%${part.toLowerCase().replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)}%`

export const deadReads = (session: Session): DeadReads => ({
  deadLetters: (filter, { limit, after }): Page<TaskView> => {
    const rows = session.all<TaskRow & { dead_seq: number }>(
      `SELECT tasks.*, dead.seq AS dead_seq FROM dead_letters AS dead JOIN tasks ON tasks.id = dead.task
       WHERE dead.closed IS NULL AND dead.seq > ?1 AND (?2 IS NULL OR dead.type = ?2)
         AND (?3 IS NULL OR dead.error_text LIKE ?3 ESCAPE '\\') AND (?4 IS NULL OR dead.died_ms >= ?4)
         AND (?6 = 0 OR EXISTS (SELECT 1 FROM payloads AS p WHERE p.task = dead.task AND p.actor GLOB 'agent:*'))
       ORDER BY dead.seq LIMIT ?5`,
      cursor(after),
      filter.type ?? null,
      filter.error === undefined ? null : likePart(filter.error),
      filter.sinceMs ?? null,
      limit + 1,
      filter.partial ? 1 : 0,
    )
    const deadOrder = rows.map((row) => ({ ...row, seq: row.dead_seq }))
    return page(deadOrder, limit, taskView)
  },
  deadLettersOf: (task) =>
    session.all<DeadRow>('SELECT * FROM dead_letters WHERE task = ? ORDER BY life', task).map(deadView),
  payloadsOf: (task) =>
    session.all(
      `SELECT version, payload, actor, replaced_ms AS "replacedMs" FROM payloads WHERE task = ? ORDER BY version`,
      task,
    ),
  dependencies: (task) =>
    session.all('SELECT after AS task, ended FROM dependencies WHERE task = ? ORDER BY place', task),
  nextTaskDeadlineMs: () =>
    session.one<{ next: number | null }>(
      `SELECT MIN(deadline_ms) AS next FROM tasks WHERE deadline_ms IS NOT NULL
        AND (state = 'blocked' OR state = 'ready' OR state = 'waiting') AND (reason IS NULL OR reason <> 'approval')`,
    )!.next,
})

const stateColumns = 'seq, name, value, version, actor, updated_ms AS "updatedMs"'

const stateView = ({ name, value, version, actor, updatedMs }: StateView): StateView => ({
  name,
  value,
  version,
  actor,
  updatedMs,
})

export const sharedReads = (session: Session): SharedReads => ({
  state: (name) => {
    const row = session.one<StateView>(`SELECT ${stateColumns} FROM shared_state WHERE name = ?`, name)
    return row && stateView(row)
  },
  states: ({ limit, after }: PageAsk) =>
    page(
      session.all<StateView & { seq: number }>(
        `SELECT ${stateColumns} FROM shared_state WHERE seq > ? ORDER BY seq LIMIT ?`,
        cursor(after),
        limit + 1,
      ),
      limit,
      stateView,
    ),
  lock: (name) => {
    const row = session.one<LockRow>('SELECT * FROM locks WHERE name = ?', name)
    return row && lockView(row)
  },
  locks: ({ limit, after }: PageAsk) =>
    page(
      session.all<LockRow>('SELECT * FROM locks WHERE seq > ? ORDER BY seq LIMIT ?', cursor(after), limit + 1),
      limit,
      lockView,
    ),
})
