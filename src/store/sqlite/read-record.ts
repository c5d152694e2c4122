/** Reads of agents, cells, events, audit entries and kept answers. */
import type { AgentStateName, Mode } from '../../model/model.ts'
import type { AgentRow } from '../commands/fleet.ts'
import type { Reads } from './answers.ts'
import { cursor, page } from './read-work.ts'
import { cellView, eventView, type CellRow, type EventRow } from './rows.ts'
import type { Session } from './session.ts'

type RecordReads = Pick<
  Reads,
  'agents' | 'fleetNotes' | 'inHand' | 'host' | 'cellsAlive' | 'cell' | 'events' | 'audit' | 'auditHead' | 'request'
>

interface SavedAgent {
  type: string
  number: number
  state: AgentStateName
  mode: Mode
  agent_epoch: number
  cell: string | null
  since_ms: number
  restarts: number
  policy: string
  reason: string | null
  next_ms: number | null
}
const agentRow = (row: SavedAgent): AgentRow => ({
  type: row.type,
  number: row.number,
  state: row.state,
  mode: row.mode,
  epoch: row.agent_epoch,
  cell: row.cell,
  sinceMs: row.since_ms,
  restarts: row.restarts,
  policy: row.policy,
  reason: row.reason,
  nextMs: row.next_ms,
})

const eventsSql = (order: 'seq > ?1' | 'seq < ?1', direction: 'ASC' | 'DESC', subject: boolean): string =>
  `SELECT * FROM events WHERE ${order} ${subject ? 'AND subject = ?3' : ''} ORDER BY seq ${direction} LIMIT ?2`

export const recordReads = (session: Session): RecordReads => ({
  agents: () => session.all<SavedAgent>('SELECT * FROM agents ORDER BY type, number').map(agentRow),
  fleetNotes: (owner) =>
    session.all<{ name: string; value: string }>('SELECT name, value FROM fleet_notes WHERE owner = ?', owner),
  inHand: (limit) =>
    session.all<{ agent: string; task: string; startedMs: number }>(
      `SELECT agent, id AS task, started_ms AS startedMs FROM tasks WHERE state = 'running' AND agent IS NOT NULL
       ORDER BY started_ms DESC LIMIT ?`,
      limit,
    ),
  host: (owner) => {
    const row = session.one<{ epoch: number; beat_ms: number | null }>(
      'SELECT epoch, beat_ms FROM hosts WHERE owner = ?',
      owner,
    )
    return row && { epoch: row.epoch, beatMs: row.beat_ms }
  },
  cellsAlive: () =>
    session.all<CellRow>('SELECT * FROM cells WHERE ended_ms IS NULL ORDER BY started_ms, id').map(cellView),
  cell: (id) => {
    const row = session.one<CellRow>('SELECT * FROM cells WHERE id = ?', id)
    return row && cellView(row)
  },
  events: ({ limit, after, subject, newestFirst }) => {
    const newest = newestFirst === true
    const from = newest && after === null ? Number.MAX_SAFE_INTEGER : cursor(after)
    const sql = eventsSql(newest ? 'seq < ?1' : 'seq > ?1', newest ? 'DESC' : 'ASC', subject !== undefined)
    const rows =
      subject === undefined
        ? session.all<EventRow>(sql, from, limit + 1)
        : session.all<EventRow>(sql, from, limit + 1, subject)
    return page(rows, limit, eventView)
  },
  audit: (fromSeq, limit) =>
    session.all('SELECT seq, entry, prev, hash FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?', fromSeq, limit),
  auditHead: () => session.head,
  request: (key) => {
    const row = session.one<{ request_hash: string; status: number; body: string; until_ms: number }>(
      'SELECT * FROM requests WHERE key = ?',
      key,
    )
    return row && { requestHash: row.request_hash, status: row.status, body: row.body, untilMs: row.until_ms }
  },
})
