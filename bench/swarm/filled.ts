/** A record with many rows, as a swarm leaves it that has worked for a while. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openStore } from '../rooms.ts'

/**
 * Half of the rows are tasks that succeeded at their second try, half are their first tries. Written past the record's
 * commands, which would take minutes, and then read by its queries: rows that it does not know are no recovery.
 */
export const fill = async (data: string, rows: number): Promise<void> => {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  await (await openStore(data)).store.close()
  const database = new DatabaseSync(join(data, 'swarm.db'))
  const count = Math.floor(rows / 2)
  database.exec(`PRAGMA synchronous = OFF; BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO tasks (id, type, agent_type, state, priority, max_attempts, attempts, fence, agent, agent_epoch, cell,
      owner, epoch, number, started_ms, ended_ms, outcome, created_ms, updated_ms, payload, result)
    SELECT printf('tsk_old-%012d', i), 'nothing', 'worker', 'succeeded', 5, 8, 2, 2, printf('worker/%04d', i % 5000 + 1),
      1, 'cel_old', 'local', 1, 2, 2, 3, 'succeeded', 1, 3, '{"n":1}', '{"n":1}' FROM n;
    INSERT INTO past_attempts (task_seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms,
      ended_ms, outcome)
    SELECT seq, 1, 1, 1, agent, 1, 'cel_old', 'local', 1, 1, 2, 'transient' FROM tasks;
    INSERT INTO tallies (kind, type, label, count) VALUES ('task', 'nothing', 'succeeded', ${count}),
      ('attempt', '', 'succeeded', ${count}), ('attempt', '', 'transient', ${count});
    COMMIT;`)
  database.close()
  const { store } = await openStore(data)
  const [tasks, first] = await Promise.all([store.read.taskCounts(), store.read.attempts('tsk_old-000000000001')])
  await store.close()
  const found = `${tasks.map((one) => `${one.count} ${one.state}`).join()}, ${first.map((one) => one.outcome).join()}`
  const wanted = `${count} succeeded, transient,succeeded`
  if (found !== wanted) throw new Error(`the record was filled wrongly: it reads ${found}, not ${wanted}`)
}
