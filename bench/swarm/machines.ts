/**
 * Agents with machines of their own (`vm`) that sleep as they are: what one takes awake and asleep, how soon one is there
 * with what it knew, in a host that lives and in one that stands by.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { answer, pause, readAsk, until } from '../programs.ts'
import { down, family, memory, up, writeConfig, type Figures, type Swarm } from './swarm.ts'

interface TaskSeen {
  readonly state: { readonly state: string }
  /** JSON. */
  readonly result: string | null
}

const { directory, options } = readAsk()
const [agents, wakes, cold] = ['agents', 'wakes', 'cold'].map((name) => Number(options[name])) as [
  number,
  number,
  number,
]
const module = join(import.meta.dirname, '..', 'contestants', 'sleeping-agent.ts')
const hold = (swarm: Swarm, ms: number): Promise<{ id: string }> =>
  swarm.api<{ id: string }>('tasks', { type: 'hold', payload: { ms } })

const states = async (swarm: Swarm): Promise<Figures['fleet']['byState']> =>
  (await swarm.api<Figures>('swarm')).fleet.byState
const allAsleep = async (swarm: Swarm): Promise<void> => {
  await until(async () => (await states(swarm))['hibernating'] === agents, 50, 120_000)
}
const files = (): string[] => readdirSync(join(directory, 'data', 'asleep')).filter((name) => name.endsWith('.asleep'))

/** From the submission to the first line of the handler, and whether it knew what it had done before. */
const wake = async (swarm: Swarm): Promise<{ readonly ms: number; readonly knew: boolean }> => {
  const atMs = Date.now()
  const { id } = await hold(swarm, 0)
  let task: TaskSeen | undefined
  await until(async () => (task = await swarm.api<TaskSeen>(`tasks/${id}`)).state.state === 'succeeded', 5, 60_000)
  const { startedMs, count } = JSON.parse(task!.result!) as { startedMs: number; count: number }
  return { ms: startedMs - atMs, knew: count > 1 }
}
const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const cell = { kind: 'vm', orWeaker: true, standby: 1 }
writeConfig(directory, agents, {
  agents: { worker: { run: { module }, count: agents, cell, hibernate: { after: '1s' } } },
  tasks: { hold: { agent: 'worker' } },
})
const swarm = await up(directory, agents, 'hibernating')
await pause(2_000)
const emptyBytes = memory(family(swarm.pid))
for (let number = 0; number < agents; number += 1) await hold(swarm, 20_000)
await until(async () => (await states(swarm))['busy'] === agents, 50, 120_000)
const awakeBytes = memory(family(swarm.pid))
await allAsleep(swarm)
const sizes = files().map((name) => statSync(join(directory, 'data', 'asleep', name)).size)
await pause(2_000)
const asleepBytes = memory(family(swarm.pid))
const colds: { readonly ms: number; readonly knew: boolean }[] = []
for (let number = 0; number < cold; number += 1) {
  colds.push(await wake(swarm))
  await allAsleep(swarm)
  await pause(1_500)
}
await hold(swarm, 60_000)
const warm: { readonly ms: number; readonly knew: boolean }[] = []
for (let number = 0; number < wakes; number += 1) {
  await until(async () => (await states(swarm))['hibernating'] === agents - 1, 50, 60_000)
  warm.push(await wake(swarm))
}
const all = [...warm, ...colds]
await down(swarm)
answer(
  {
    'MB (PSS) an agent awake, with its share of a host': (awakeBytes - emptyBytes) / agents / 1e6,
    'MB (PSS) an agent asleep': (asleepBytes - emptyBytes) / agents / 1e6,
    'kB on disk an agent asleep': sizes.reduce((sum, size) => sum + size, 0) / sizes.length / 1e3,
    'wake into a host p50 ms': middle(warm.map(({ ms }) => ms)),
    'wake by standby p50 ms': middle(colds.map(({ ms }) => ms)),
  },
  { agents, files: sizes.length, woken: all.length, knew: all.filter(({ knew }) => knew).length },
)
