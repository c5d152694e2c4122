/** SQL of the fleet's commands. */
import type { AgentsSave, CellEnded, CellStarted, FleetNote, HostBeat, HostOpen } from '../commands/fleet.ts'
import type { Result } from '../commands/result.ts'
import { done, refuse, type Session } from './session.ts'

/** Events are for people; proof is in the audit log. The last 200,000 are kept (about 60 MB), pruned at each start. */
const eventsKept = 200_000

export const hostOpen = (session: Session, { owner, bootId, wallMs }: HostOpen['with']): Result<{ epoch: number }> => {
  session.run(
    `INSERT INTO hosts (owner, epoch, boot_id, opened_ms) VALUES (?, 1, ?, ?)
     ON CONFLICT (owner) DO UPDATE SET epoch = epoch + 1, boot_id = excluded.boot_id, opened_ms = excluded.opened_ms`,
    owner,
    bootId,
    wallMs,
  )
  session.epochs.clear()
  session.run('DELETE FROM events WHERE seq <= (SELECT COALESCE(MAX(seq), 0) FROM events) - ?', eventsKept)
  return done({ epoch: session.one<{ epoch: number }>('SELECT epoch FROM hosts WHERE owner = ?', owner)!.epoch })
}

/** True when `epoch` is the newest incarnation of `owner`. */
export const isNewest = (session: Session, owner: string, epoch: number): boolean => {
  let newest = session.epochs.get(owner)
  if (newest === undefined) {
    // One look a transaction: within it nobody else writes.
    newest = session.one<{ epoch: number }>('SELECT epoch FROM hosts WHERE owner = ?', owner)?.epoch ?? 0
    session.epochs.set(owner, newest)
  }
  return newest === epoch
}

export const cellStarted = (session: Session, cell: CellStarted['with']): Result<null> => {
  if (!isNewest(session, cell.owner, cell.epoch))
    return refuse('stale', `epoch ${cell.epoch} of ${cell.owner} is not the newest`)
  session.run(
    `INSERT INTO cells (id, kind, agent_type, pid, start_time, directory, owner, epoch, started_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
  return done(null)
}

export const cellEnded = (session: Session, { id, cause, detail, wallMs, forget }: CellEnded['with']): Result<null> => {
  if (forget === true) {
    session.run('DELETE FROM cells WHERE id = ? AND ended_ms IS NULL', id)
    return done(null)
  }
  session.run(
    'UPDATE cells SET ended_ms = ?, cause = ?, detail = ? WHERE id = ? AND ended_ms IS NULL',
    wallMs,
    cause,
    detail,
    id,
  )
  return done(null)
}

export const agentsSave = (session: Session, { owner, epoch, rows }: AgentsSave['with']): Result<null> => {
  if (!isNewest(session, owner, epoch)) return refuse('stale', `epoch ${epoch} of ${owner} is not the newest`)
  for (const row of rows) {
    session.run(
      `INSERT INTO agents (type, number, state, mode, agent_epoch, cell, since_ms, restarts, policy, reason,
        next_ms, owner, epoch)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (type, number) DO UPDATE
       SET state = excluded.state, mode = excluded.mode, agent_epoch = excluded.agent_epoch,
         cell = excluded.cell, since_ms = excluded.since_ms, restarts = excluded.restarts, policy = excluded.policy,
         reason = excluded.reason, next_ms = excluded.next_ms, owner = excluded.owner, epoch = excluded.epoch`,
      row.type,
      row.number,
      row.state,
      row.mode,
      row.epoch,
      row.cell,
      row.sinceMs,
      row.restarts,
      row.policy,
      row.reason,
      row.nextMs,
      owner,
      epoch,
    )
  }
  return done(null)
}

export const hostBeat = (session: Session, { owner, epoch, wallMs }: HostBeat['with']): Result<null> =>
  session.run('UPDATE hosts SET beat_ms = ? WHERE owner = ? AND epoch = ?', wallMs, owner, epoch) > 0
    ? done(null)
    : refuse('stale', `epoch ${epoch} of ${owner} is over`)

export const fleetNote = (session: Session, { owner, epoch, notes }: FleetNote['with']): Result<null> => {
  if (!isNewest(session, owner, epoch)) return refuse('stale', `epoch ${epoch} of ${owner} is not the newest`)
  for (const { name, value } of notes) {
    if (value === null) session.run('DELETE FROM fleet_notes WHERE owner = ? AND name = ?', owner, name)
    else
      session.run(
        `INSERT INTO fleet_notes (owner, name, value) VALUES (?, ?, ?)
         ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value`,
        owner,
        name,
        value,
      )
  }
  return done(null)
}
