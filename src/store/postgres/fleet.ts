/** SQL of the fleet's commands. The fence (owner and epoch) stands in each statement. */
import type { AgentsSave, CellEnded, CellStarted, FleetNote, HostBeat, HostOpen } from '../commands/fleet.ts'
import type { Result } from '../commands/result.ts'
import { columns, done, refuse, type Session } from './session.ts'

/** Events are for people; proof is in the audit log. The last 200,000 are kept (about 60 MB), pruned at each start. */
const eventsKept = 200_000

export const hostOpen = async (
  session: Session,
  { owner, bootId, wallMs }: HostOpen['with'],
): Promise<Result<{ epoch: number }>> => {
  const opened = await session.one<{ epoch: number }>(
    `INSERT INTO hosts (owner, epoch, boot_id, opened_ms) VALUES ($1, 1, $2, $3)
     ON CONFLICT (owner) DO UPDATE
     SET epoch = hosts.epoch + 1, boot_id = excluded.boot_id, opened_ms = excluded.opened_ms RETURNING epoch`,
    owner,
    bootId,
    wallMs,
  )
  await session.run('DELETE FROM events WHERE seq <= (SELECT COALESCE(MAX(seq), 0) FROM events) - $1', eventsKept)
  return done({ epoch: opened!.epoch })
}

/** True when `epoch` is the newest incarnation of `owner`. */
export const isNewest = async (session: Session, owner: string, epoch: number): Promise<boolean> =>
  (await session.one<{ epoch: number }>('SELECT epoch FROM hosts WHERE owner = $1', owner))?.epoch === epoch

const deposed = (owner: string, epoch: number): ReturnType<typeof refuse> =>
  refuse('stale', `epoch ${epoch} of ${owner} is not the newest`)

export const cellStarted = async (session: Session, cell: CellStarted['with']): Promise<Result<null>> => {
  const written = await session.run(
    `INSERT INTO cells (id, kind, agent_type, pid, start_time, directory, owner, epoch, started_ms)
     SELECT $1::text, $2::text, $3::text, $4::bigint, $5::text, $6::text, owner, epoch, $9::bigint FROM hosts
     WHERE owner = $7 AND epoch = $8`,
    cell.id,
    cell.kind,
    cell.agentType,
    cell.identity.pid,
    cell.identity.startTime,
    cell.directory,
    cell.owner,
    cell.epoch,
    cell.wallMs,
  )
  return written === 1 ? done(null) : deposed(cell.owner, cell.epoch)
}

export const cellEnded = async (
  session: Session,
  { id, cause, detail, wallMs, forget }: CellEnded['with'],
): Promise<Result<null>> => {
  if (forget === true) {
    await session.run('DELETE FROM cells WHERE id = $1 AND ended_ms IS NULL', id)
    return done(null)
  }
  await session.run(
    'UPDATE cells SET ended_ms = $1, cause = $2, detail = $3 WHERE id = $4 AND ended_ms IS NULL',
    wallMs,
    cause,
    detail,
    id,
  )
  return done(null)
}

const save = `
INSERT INTO agents (type, number, state, mode, agent_epoch, cell, since_ms, restarts, policy, reason, next_ms,
  owner, epoch)
SELECT r.*, h.owner, h.epoch FROM hosts AS h, unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
  $8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::bigint[]) AS r
WHERE h.owner = $1 AND h.epoch = $2
ON CONFLICT (type, number) DO UPDATE
SET state = excluded.state, mode = excluded.mode, agent_epoch = excluded.agent_epoch, cell = excluded.cell,
  since_ms = excluded.since_ms, restarts = excluded.restarts, policy = excluded.policy, reason = excluded.reason,
  next_ms = excluded.next_ms, owner = excluded.owner, epoch = excluded.epoch`

export const agentsSave = async (
  session: Session,
  { owner, epoch, rows }: AgentsSave['with'],
): Promise<Result<null>> => {
  if (rows.length === 0) return (await isNewest(session, owner, epoch)) ? done(null) : deposed(owner, epoch)
  // The last row of an agent holds; PostgreSQL refuses to change one row twice in a statement.
  const last = [...new Map(rows.map((row) => [`${row.type}/${row.number}`, row])).values()]
  const cells = columns(
    last,
    (row) => row.type,
    (row) => row.number,
    (row) => row.state,
    (row) => row.mode,
    (row) => row.epoch,
    (row) => row.cell,
    (row) => row.sinceMs,
    (row) => row.restarts,
    (row) => row.policy,
    (row) => row.reason,
    (row) => row.nextMs,
  )
  return (await session.run(save, owner, epoch, ...cells)) === last.length ? done(null) : deposed(owner, epoch)
}

export const hostBeat = async (session: Session, { owner, epoch, wallMs }: HostBeat['with']): Promise<Result<null>> =>
  (await session.run('UPDATE hosts SET beat_ms = $1 WHERE owner = $2 AND epoch = $3', wallMs, owner, epoch)) > 0
    ? done(null)
    : refuse('stale', `epoch ${epoch} of ${owner} is over`)

export const fleetNote = async (
  session: Session,
  { owner, epoch, notes }: FleetNote['with'],
): Promise<Result<null>> => {
  if (!(await isNewest(session, owner, epoch))) return deposed(owner, epoch)
  for (const { name, value } of notes) {
    if (value === null) await session.run('DELETE FROM fleet_notes WHERE owner = $1 AND name = $2', owner, name)
    else
      await session.run(
        `INSERT INTO fleet_notes (owner, name, value) VALUES ($1, $2, $3)
         ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value`,
        owner,
        name,
        value,
      )
  }
  return done(null)
}
