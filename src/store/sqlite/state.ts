/** SQL of what agents share: values with versions, and locks. */
import { remainingMs, type Stamp } from '../../std/std.ts'
import type { Result } from '../commands/result.ts'
import type { LockAnswer, LockFree, LockRenew, LockTake, StatePut } from '../commands/state.ts'
import { lockView, type LockRow } from './rows.ts'
import { done, refuse, type Session } from './session.ts'

/** Names that the record takes, of each kind. */
const mostNames = 100_000

const isFull = (session: Session, table: 'shared_state' | 'locks'): boolean =>
  session.one<{ count: number }>(`SELECT COUNT(*) AS count FROM ${table}`)!.count >= mostNames

export const statePut = (session: Session, put: StatePut['with']): Result<{ version: number }> => {
  const there = session.one<{ value: string; version: number; actor: string }>(
    'SELECT value, version, actor FROM shared_state WHERE name = ?',
    put.name,
  )
  const version = put.expectVersion + 1
  // The same put once more, after its answer was lost.
  if (there?.version === version && there.value === put.value && there.actor === put.actor) return done({ version })
  if ((there?.version ?? 0) !== put.expectVersion) return refuse('stale', String(there?.version ?? 0))
  if (there === undefined && isFull(session, 'shared_state'))
    return refuse('illegal', `the record holds ${mostNames} names of shared state already`)
  session.run(
    `INSERT INTO shared_state (name, value, version, actor, updated_ms) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version, actor = excluded.actor,
       updated_ms = excluded.updated_ms`,
    put.name,
    put.value,
    version,
    put.actor,
    put.wallMs,
  )
  return done({ version })
}

const lockRow = (session: Session, name: string): LockRow | undefined =>
  session.one<LockRow>('SELECT * FROM locks WHERE name = ?', name)

const leftOf = (row: LockRow, now: Stamp): number => {
  const { set, leaseMs } = lockView(row)
  return remainingMs(now, set, leaseMs)
}

const lease = (session: Session, name: string, leaseMs: number, now: Stamp): void => {
  session.run(
    'UPDATE locks SET set_wall_ms = ?, set_mono_ms = ?, set_boot_id = ?, lease_ms = ? WHERE name = ?',
    now.wallMs,
    now.monoMs,
    now.bootId,
    leaseMs,
    name,
  )
}

/** One count for all locks: a lock that is given back leaves no row behind, and its fences still only grow. */
const nextFence = (session: Session): number =>
  session.change<{ value: number }>("UPDATE counters SET value = value + 1 WHERE name = 'fence' RETURNING value")!.value

export const lockTake = (session: Session, take: LockTake['with']): Result<LockAnswer> => {
  const { name, holder, task, leaseMs, now } = take
  const there = lockRow(session, name)
  const leftMs = there === undefined ? 0 : leftOf(there, now)
  if (there !== undefined && leftMs > 0) {
    // Asked again by who has it: the same fence. By a newer attempt of the same task: that one is fenced already.
    if (there.holder === holder) {
      lease(session, name, leaseMs, now)
      return done({ taken: true, fence: there.fence, leftMs: leaseMs })
    }
    if (task === null || there.task !== task) return done({ taken: false, holder: there.holder, leftMs })
  }
  if (there === undefined && isFull(session, 'locks'))
    return refuse('illegal', `the record holds ${mostNames} locks already`)
  const fence = nextFence(session)
  session.run(
    `INSERT INTO locks (name, fence, holder, task, taken_ms, set_wall_ms, set_mono_ms, set_boot_id, lease_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, holder = excluded.holder, task = excluded.task,
       taken_ms = excluded.taken_ms, set_wall_ms = excluded.set_wall_ms, set_mono_ms = excluded.set_mono_ms,
       set_boot_id = excluded.set_boot_id, lease_ms = excluded.lease_ms`,
    name,
    fence,
    holder,
    task,
    now.wallMs,
    now.wallMs,
    now.monoMs,
    now.bootId,
    leaseMs,
  )
  return done({ taken: true, fence, leftMs: leaseMs })
}

const isHolder = (row: LockRow | undefined, { holder, fence }: Pick<LockFree['with'], 'holder' | 'fence'>): boolean =>
  row !== undefined && row.holder === holder && row.fence === fence

export const lockRenew = (session: Session, renew: LockRenew['with']): Result<{ leftMs: number }> => {
  const row = lockRow(session, renew.name)
  if (row === undefined || !isHolder(row, renew) || leftOf(row, renew.now) <= 0)
    return refuse('stale', `${renew.holder} does not hold ${renew.name} with fence ${renew.fence}`)
  lease(session, renew.name, renew.leaseMs, renew.now)
  return done({ leftMs: renew.leaseMs })
}

export const lockFree = (session: Session, free: LockFree['with']): Result<{ freed: boolean }> => {
  if (!isHolder(lockRow(session, free.name), free)) return done({ freed: false })
  session.run('DELETE FROM locks WHERE name = ?', free.name)
  return done({ freed: true })
}
