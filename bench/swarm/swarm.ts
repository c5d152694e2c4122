/** A whole swarm, started as a person starts it (`sitter up`), and what the kernel says about its processes. */
import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause, until } from '../programs.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const agent = join(import.meta.dirname, '..', 'contestants', 'ours-agent.ts')
const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning']

export interface Swarm {
  readonly pid: number
  /** From the command to every agent ready. */
  readonly readyMs: number
  api<Body>(path: string, body?: object): Promise<Body>
}

export interface Figures {
  readonly fleet: { readonly byState: Readonly<Record<string, number>> }
}

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not there (yet, or any more): the caller looks again.
    return undefined
  }
}

/** Pids of a process and of everything under it. */
export const family = (root: number): number[] => {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readIfThere(`/proc/${name}/stat`) : undefined
    const parent = stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

/** Proportional set size in bytes: what is shared is counted once, spread over those who share it. */
export const memory = (pids: readonly number[]): number =>
  pids
    .map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/smaps_rollup`) ?? '')?.[1] ?? 0))
    .reduce((sum, kilobytes) => sum + kilobytes * 1_024, 0)

/** CPU time in ms since the processes began; ticks of 10 ms. */
export const cpuMs = (pids: readonly number[]): number =>
  pids
    .map((pid) => {
      const stat = readIfThere(`/proc/${pid}/stat`)
      const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * 10
    })
    .reduce((sum, ms) => sum + ms, 0)

export const writeConfig = (directory: string, agents: number, more: object = {}): void => {
  mkdirSync(directory, { recursive: true })
  const config = {
    name: 'bench',
    agents: { worker: { run: { module: agent }, count: agents, cell: 'pool' } },
    tasks: { nothing: { agent: 'worker' } },
    api: { port: 0 },
    ...more,
  }
  writeFileSync(join(directory, 'swarm.config.json'), JSON.stringify(config))
}

/** Starts the swarm of `directory` and waits until every agent is idle, or asleep when that is asked for. */
export const up = async (
  directory: string,
  agents: number,
  state: 'idle' | 'hibernating' = 'idle',
  withinMs = 90_000,
): Promise<Swarm> => {
  const data = join(directory, 'data')
  const startMs = performance.now()
  const before = readIfThere(join(data, 'run', 'api.json'))
  const config = join(directory, 'swarm.config.json')
  const said = join(directory, 'up.log')
  const child = spawn(process.execPath, [...flags, main, 'up', config, '--data-dir', data], {
    stdio: ['ignore', 'ignore', openSync(said, 'w')],
    env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'config') },
  })
  const api = async <Body>(path: string, body?: object): Promise<Body> => {
    const { url } = JSON.parse(readFileSync(join(data, 'run', 'api.json'), 'utf8')) as { url: string }
    const token = readFileSync(join(data, 'run', 'operator.token'), 'utf8').trim()
    const more = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const answer = await fetch(`${url}/api/v1/${path}`, { ...more, headers })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as Body
  }
  const isReady = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`up ended with ${child.exitCode}`)
    const now = readIfThere(join(data, 'run', 'api.json'))
    if (now === undefined || now === before) return false
    return (await api<Figures>('swarm')).fleet.byState[state] === agents
  }
  try {
    await until(isReady, 25, withinMs)
  } catch (error) {
    killFamily(child.pid!)
    throw new Error(`the swarm did not start: ${readFileSync(said, 'utf8').slice(-2_000)}`, { cause: error })
  }
  return { pid: child.pid!, readyMs: performance.now() - startMs, api }
}

/** SIGKILL to everything at once. */
export const killFamily = (pid: number): void => {
  for (const one of family(pid)) {
    try {
      process.kill(one, 'SIGKILL')
    } catch {
      // It ended with its parent.
    }
  }
}

export const down = async (swarm: Swarm): Promise<void> => {
  const pids = family(swarm.pid)
  process.kill(swarm.pid, 'SIGTERM')
  const gone = (): boolean => pids.every((pid) => readIfThere(`/proc/${pid}/stat`) === undefined)
  await until(gone, 50, 30_000).catch(() => killFamily(swarm.pid))
  await pause(50)
}
