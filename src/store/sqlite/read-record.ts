/** Reads of agents, cells, events, audit entries and kept answers. */
import type { AgentStateName, Mode } from '../../model/model.ts'
import type { AgentRow } from '../commands/fleet.ts'
import type { EventFilter } from '../queries.ts'
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

/** Of the newest event that is older, so that nothing before it is looked at. */
const sinceSql = '(SELECT seq FROM events WHERE wall_ms < ? ORDER BY seq DESC LIMIT 1)'

/** Conditions with their values. */
const eventsWhere = ({ subject, kind, sinceMs }: EventFilter): readonly [string, string | number][] => [
  ...(subject === undefined ? [] : [['subject = ?', subject] as [string, string]]),
  ...(kind === undefined ? [] : [["(kind || '.') LIKE (? || '.%')", kind] as [string, string]]),
  ...(sinceMs === undefined ? [] : [[`seq > COALESCE(${sinceSql}, 0)`, sinceMs] as [string, number]]),
]

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
  events: ({ limit, after, newestFirst, ...filter }) => {
    const newest = newestFirst === true
    const from = newest && after === null ? Number.MAX_SAFE_INTEGER : cursor(after)
    const where = [[newest ? 'seq < ?' : 'seq > ?', from] as const, ...eventsWhere(filter)]
    const sql = `SELECT * FROM events WHERE ${where.map(([text]) => text).join(' AND ')}
      ORDER BY seq ${newest ? 'DESC' : 'ASC'} LIMIT ?`
    const rows = session.all<EventRow>(sql, ...where.map(([, value]) => value), limit + 1)
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
