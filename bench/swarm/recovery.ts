/**
 * Everything killed at once (watch, sitter, gate, cells) with a record of many rows, then started again: the time from
 * the command until every agent is ready and a new task has succeeded.
 */
import { join } from 'node:path'
import { answer, readAsk, until } from '../programs.ts'
import { fill } from './filled.ts'
import { cpuMs, down, family, killFamily, up, writeConfig } from './swarm.ts'

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
const cpu = cpuMs(family(second.pid))
await down(second)
answer(
  { 'all working after s': tookMs / 1_000, 'CPU s until then': cpu / 1_000 },
  { agents, rows, firstReadyMs: first.readyMs },
)
