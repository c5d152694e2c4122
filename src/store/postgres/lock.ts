/**
 * One writer per record: a session advisory lock, held on the writer's own connection for as long as it lives, so that
 * lock and link end together. A sitter that lost its link finds its own old session still holding the lock (the server
 * has not noticed yet): it ends that one, known by process number and start, and nobody else's.
 */
import { failure, sleep, type Clock } from '../../std/std.ts'
import type { Link } from './link.ts'

/** The two numbers of the advisory lock; they are per database. */
const space = 0x5317
const record = 1
const retryMs = 100

export interface Backend {
  readonly pid: number
  readonly started: string
}

const backendOf = async (link: Link): Promise<Backend> => {
  const { rows } = await link.ask<Backend>(
    'SELECT pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()',
    [],
    false,
  )
  return rows[0]!
}

const tryLock = async (link: Link): Promise<boolean> => {
  const { rows } = await link.ask<{ held: boolean }>(
    `SELECT pg_try_advisory_lock(${space}, ${record}) AS held`,
    [],
    false,
  )
  return rows[0]!.held
}

/** Ends the session that we had before, if it is the one that holds the lock. */
const endOld = ({ pid, started }: Backend, link: Link): Promise<unknown> =>
  link.ask(
    `SELECT pg_terminate_backend(a.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
     WHERE l.locktype = 'advisory' AND l.classid = ${space} AND l.objid = ${record} AND l.granted
       AND a.pid = $1 AND a.backend_start::text = $2`,
    [pid, started],
    false,
  )

export interface LockAsk {
  readonly link: Link
  readonly clock: Clock
  readonly patienceMs: number
  /** The session that this process had before, if any. */
  readonly old: Backend | undefined
}

/** Gives the session that holds the lock now. @throws Failure `already-running` when another sitter keeps it. */
export const lockRecord = async ({ link, clock, patienceMs, old }: LockAsk): Promise<Backend> => {
  const until = clock.monoMs() + patienceMs
  for (;;) {
    if (await tryLock(link)) return backendOf(link)
    if (old) await endOld(old, link)
    if (clock.monoMs() >= until) throw failure('already-running', 'another sitter writes this record')
    await sleep(clock, retryMs)
  }
}

/** Gives the lock up before the link ends, so that the next one need not wait until the server has noticed. */
export const unlockRecord = (link: Link): Promise<unknown> => link.ask('SELECT pg_advisory_unlock_all()', [], false)
