/**
 * Many registered agents, of which few are awake: what the sitter costs, how soon one is woken, how soon all is there
 * after the command and after a kill -9, and whether people can still look at it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { answer, pause, readAsk, until } from '../programs.ts'
import { cpuMs, down, family, killFamily, memory, up, writeConfig, type Figures, type Swarm } from './swarm.ts'

interface TaskSeen {
  readonly state: { readonly state: string }
  /** JSON. */
  readonly result: string | null
}
interface StandbyFigures {
  readonly fleet: { readonly standbys: { readonly ready: number; readonly wanted: number } }
}

const { directory, options } = readAsk()
const [agents, awake, wakes, cold] = ['agents', 'awake', 'wakes', 'cold'].map((name) => Number(options[name]))
const module = join(import.meta.dirname, '..', 'contestants', 'holding-agent.ts')
const nowMs = (): number => performance.timeOrigin + performance.now()

const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
}

const sitterOf = (swarm: Swarm): number =>
  family(swarm.pid).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('_sitter'))!

const submit = async (swarm: Swarm, type: string, ms: number): Promise<{ id: string; atMs: number }> => {
  const atMs = nowMs()
  const { id } = await swarm.api<{ id: string }>('tasks', { type, payload: { ms } })
  return { id, atMs }
}

/** From the submission to the first line of the handler, for each. */
const delays = async (swarm: Swarm, tasks: readonly { id: string; atMs: number }[]): Promise<number[]> => {
  const found: number[] = []
  for (const { id, atMs } of tasks) {
    let task: TaskSeen | undefined
    await until(async () => (task = await swarm.api<TaskSeen>(`tasks/${id}`)).state.state === 'succeeded', 50, 60_000)
    found.push((JSON.parse(task!.result!) as { startedMs: number }).startedMs - atMs)
  }
  return found
}

const timed = async (deed: () => Promise<unknown>): Promise<number> => {
  const took: number[] = []
  for (let time = 0; time < 11; time += 1) {
    const startMs = performance.now()
    await deed()
    took.push(performance.now() - startMs)
  }
  return quantile(took, 0.5)
}

const hibernate = { after: '60s' }
writeConfig(directory, agents!, {
  agents: {
    worker: { run: { module }, count: agents! - 100, hibernate, cell: { kind: 'pool', standby: 1 } },
    lone: { run: { module }, count: 100, perCell: 1, hibernate: { after: '0s' }, cell: { kind: 'pool', standby: 1 } },
  },
  tasks: { hold: { agent: 'worker', deadline: null }, cold: { agent: 'lone' } },
})
const first = await up(directory, agents!, 'hibernating')
await pause(3_000)
const asleepBytes = memory([sitterOf(first)])

/** Agents are held long enough for everything that is measured meanwhile. */
const holdMs = 90_000
for (let number = 0; number < awake!; number += 1) void submit(first, 'hold', holdMs)
await until(async () => (await first.api<Figures>('swarm')).fleet.byState['busy'] === awake, 50, 60_000)
const singles: { id: string; atMs: number }[] = []
for (let number = 0; number < wakes!; number += 1) {
  // Held for longer than all of them take, so that each needs an agent that sleeps.
  singles.push(await submit(first, 'hold', 20_000))
  await pause(15)
}
const woken = await delays(first, singles)
const standing = async (): Promise<boolean> => {
  const { ready, wanted } = (await first.api<StandbyFigures>('swarm')).fleet.standbys
  return ready === wanted
}
const colds: number[] = []
for (let number = 0; number < cold!; number += 1) {
  await until(standing, 50, 30_000)
  colds.push(...(await delays(first, [await submit(first, 'cold', 0)])))
}
const sitter = sitterOf(first)
const before = cpuMs([sitter])
await pause(5_000)
const busyShare = (cpuMs([sitter]) - before) / 50
const awakeBytes = memory([sitter])
const everythingBytes = memory(family(first.pid))
const pageMs = await timed(() => first.api('agents?limit=1000'))
const mapMs = await timed(() => first.api('agents/map'))
const statusMs = await timed(() => first.api('swarm'))
const { fleet } = await first.api<Figures>('swarm')

killFamily(first.pid)
await pause(500)
const second = await up(directory, agents! - awake!, 'hibernating').catch((error: unknown) => error as Error)
if (second instanceof Error) throw second
await down(second)
answer(
  {
    'ready after s': first.readyMs / 1_000,
    'after kill -9, s': second.readyMs / 1_000,
    'sitter MB (PSS), all asleep': asleepBytes / 1e6,
    'sitter MB (PSS), 500 awake': awakeBytes / 1e6,
    'everything MB (PSS)': everythingBytes / 1e6,
    'sitter, % of a core': busyShare,
    'wake into a host p50 ms': quantile(woken, 0.5),
    'wake into a host p99 ms': quantile(woken, 0.99),
    'wake by standby p50 ms': quantile(colds, 0.5),
    'wake by standby max ms': Math.max(...colds),
    'page of 1,000 ms': pageMs,
    'map ms': mapMs,
    'status ms': statusMs,
  },
  { agents: agents!, awake: awake!, busy: fleet.byState['busy'] ?? 0 },
)
