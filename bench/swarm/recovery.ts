/**
 * Everything killed at once (watch, sitter, gate, cells) with a record of many rows, then started again: the time from
 * the command until every agent is ready and a new task has succeeded.
 */
import { DatabaseSync } from 'node:sqlite'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { answer, readAsk, until } from '../programs.ts'
import { openStore } from '../rooms.ts'
import { down, killFamily, up, writeConfig } from './swarm.ts'

/** Half of the rows are tasks that have succeeded, half are their attempts. */
const fill = async (data: string, rows: number): Promise<void> => {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  await (await openStore(data)).store.close()
  const database = new DatabaseSync(join(data, 'swarm.db'))
  const count = Math.floor(rows / 2)
  database.exec(`PRAGMA synchronous = OFF; BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO tasks (id, type, agent_type, payload, payload_hash, priority, max_attempts, state, attempts, fence,
      agent, result, created_ms, updated_ms)
    SELECT printf('tsk_old-%012d', i), 'nothing', 'worker', '{"n":1}', printf('%064d', i), 5, 8, 'succeeded', 1, 1,
      printf('worker/%04d', i % 5000 + 1), '{"n":1}', 1, 1 FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO attempts (id, task, number, fence, agent, agent_epoch, cell, owner, epoch, started_ms, ended_ms, outcome)
    SELECT printf('att_old-%012d', i), printf('tsk_old-%012d', i), 1, 1, printf('worker/%04d', i % 5000 + 1), 1,
      'cel_old', 'local', 1, 1, 1, 'succeeded' FROM n;
    COMMIT;`)
  database.close()
}

interface TaskSeen {
  readonly state: { readonly state: string }
}

const { directory, options } = readAsk()
const agents = Number(options['agents'])
const rows = Number(options['rows'])
writeConfig(directory, agents)
await fill(join(directory, 'data'), rows)
const first = await up(directory, agents)
killFamily(first.pid)
const startMs = performance.now()
const second = await up(directory, agents)
const { id } = await second.api<{ id: string }>('tasks', { type: 'nothing', payload: { n: 1 } })
const succeeded = async (): Promise<boolean> => (await second.api<TaskSeen>(`tasks/${id}`)).state.state === 'succeeded'
await until(succeeded, 10, 30_000)
const tookMs = performance.now() - startMs
await down(second)
answer({ 'all working after s': tookMs / 1_000 }, { agents, rows, firstReadyMs: first.readyMs })
