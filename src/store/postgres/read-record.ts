/** Reads of agents, cells, events, audit entries and kept answers. */
import type { AgentRow } from '../commands/fleet.ts'
import type { AuditView, Queries } from '../queries.ts'
import { cursor, page } from '../sqlite/read-work.ts'
import { cellView, eventView, type CellRow, type EventRow } from '../sqlite/rows.ts'
import { emptyChain, type Asking, type ChainHead } from './session.ts'

type RecordReads = Pick<
  Queries,
  'agents' | 'fleetNotes' | 'inHand' | 'host' | 'cellsAlive' | 'cell' | 'events' | 'audit' | 'auditHead' | 'request'
>

const agentsSql = `
SELECT type, number, state, mode, agent_epoch AS epoch, cell, since_ms AS "sinceMs", restarts, policy, reason,
  next_ms AS "nextMs" FROM agents ORDER BY type, number`

const eventsSql = (newest: boolean): string =>
  `SELECT * FROM events WHERE ${newest ? 'seq < $1' : 'seq > $1'} AND ($3::text IS NULL OR subject = $3)
   AND ($4::text IS NULL OR kind || '.' LIKE $4 || '.%')
   AND ($5::bigint IS NULL OR seq > COALESCE((SELECT seq FROM events WHERE wall_ms < $5 ORDER BY seq DESC LIMIT 1), 0))
   ORDER BY seq ${newest ? 'DESC' : 'ASC'} LIMIT $2`

export const recordReads = (session: Asking): RecordReads => ({
  agents: () => session.all<AgentRow>(agentsSql),
  fleetNotes: (owner) =>
    session.all<{ name: string; value: string }>('SELECT name, value FROM fleet_notes WHERE owner = $1', owner),
  inHand: (limit) =>
    session.all<{ agent: string; task: string; startedMs: number }>(
      `SELECT agent, id AS task, started_ms AS "startedMs" FROM tasks WHERE state = 'running' AND agent IS NOT NULL
       ORDER BY started_ms DESC LIMIT $1`,
      limit,
    ),
  host: async (owner) => {
    const row = await session.one<{ epoch: number; beat_ms: number | null }>(
      'SELECT epoch, beat_ms FROM hosts WHERE owner = $1',
      owner,
    )
    return row && { epoch: row.epoch, beatMs: row.beat_ms }
  },
  cellsAlive: async () =>
    (await session.all<CellRow>('SELECT * FROM cells WHERE ended_ms IS NULL ORDER BY started_ms, id')).map(cellView),
  cell: async (id) => {
    const row = await session.one<CellRow>('SELECT * FROM cells WHERE id = $1', id)
    return row && cellView(row)
  },
  events: async ({ limit, after, subject, kind, sinceMs, newestFirst }) => {
    const newest = newestFirst === true
    const from = newest && after === null ? Number.MAX_SAFE_INTEGER : cursor(after)
    const asked = [subject ?? null, kind ?? null, sinceMs ?? null]
    return page(await session.all<EventRow>(eventsSql(newest), from, limit + 1, ...asked), limit, eventView)
  },
  audit: (fromSeq, limit) =>
    session.all<AuditView>(
      'SELECT seq, entry, prev, hash FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2',
      fromSeq,
      limit,
    ),
  auditHead: async () =>
    (await session.one<ChainHead>('SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1')) ?? emptyChain,
  request: async (key) => {
    const row = await session.one<{ request_hash: string; status: number; body: string; until_ms: number }>(
      'SELECT * FROM requests WHERE key = $1',
      key,
    )
    return row && { requestHash: row.request_hash, status: row.status, body: row.body, untilMs: row.until_ms }
  },
})
