/** The swarm under fire: its configuration, the real command that runs it, and what its API says. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { sitter, type Place, type Run } from '../../crash/swarm.ts'
import { freePort } from '../../port.ts'
import type { CellSeen } from './witnesses.ts'

export interface Size {
  /** Pool types, and agents of each: a hundred share a cell. */
  readonly types: number
  readonly perType: number
  readonly perCell: number
  readonly boxes: number
}

export interface AgentSeen {
  readonly id: string
  readonly state: string
  readonly epoch: number
  readonly restarts: number
  readonly reason: string | null
  readonly cell: { readonly id: string; readonly pid: number } | null
}
export interface EventSeen {
  readonly seq: number
  readonly kind: string
  readonly subject: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}

const villains = join(import.meta.dirname, '..', '..', 'villains')
/** Three of them without an answer, and a host is ended: less is not to be had where processes wait seconds for a core. */
export const heartbeatMs = 2_000
/** The second death that is somebody's own doing quarantines it. */
const restart = { max: 1, within: '10m', base: '100ms', cap: '1s' }

const configOf = ({ types, perType, perCell, boxes }: Size, app: string, port: number): object => {
  const pools = Array.from({ length: types }, (_, index) => `p${index}`)
  const common = { restart, heartbeat: `${heartbeatMs}ms`, stuckAfter: '10m' }
  return {
    name: 'underfire',
    agents: {
      ...Object.fromEntries(
        pools.map((name) => [
          name,
          { ...common, run: { module: join(import.meta.dirname, 'pooled.ts') }, count: perType, perCell },
        ]),
      ),
      box: {
        ...common,
        run: {
          command: [
            process.execPath,
            '--disable-warning=ExperimentalWarning',
            join(app, 'hazards', 'swarm', 'boxed.ts'),
          ],
        },
        count: boxes,
        cell: 'sandbox',
        limits: { cpu: 1, memory: '256MB', pids: 64, disk: '32MB' },
      },
    },
    tasks: Object.fromEntries(
      [...pools, 'box'].map((agent) => [agent, { agent, retry: { max: 1, base: '100ms', cap: '1s' } }]),
    ),
    api: { port },
  }
}

export class Swarm {
  readonly place: Place
  readonly app: string
  readonly port: number
  readonly up: Run

  private constructor(place: Place, app: string, port: number) {
    this.place = place
    this.app = app
    this.port = port
    this.up = sitter(place, 'up', place.config)
  }

  static async start(size: Size): Promise<Swarm> {
    const root = mkdtempSync(join(tmpdir(), 'underfire-'))
    chmodSync(root, 0o755)
    const app = join(root, 'app')
    // As they lie in the sources: what a program imports stands beside it.
    for (const folder of [join(app, 'hazards', 'swarm'), join(app, 'villains')]) mkdirSync(folder, { recursive: true })
    for (const name of ['boxed.ts', 'beats.ts'])
      copyFileSync(join(import.meta.dirname, name), join(app, 'hazards', 'swarm', name))
    for (const name of ['hazards.ts', 'hazards-pure.ts'])
      copyFileSync(join(villains, name), join(app, 'villains', name))
    const port = await freePort()
    const config = join(root, 'swarm.config.json')
    writeFileSync(config, JSON.stringify(configOf(size, app, port)))
    const data = join(root, 'data')
    const env = { ...process.env, XDG_CONFIG_HOME: join(root, 'keys'), NO_COLOR: '1' }
    return new Swarm({ config, file: '', data, log: '', env }, app, port)
  }

  async api(path: string, body?: string, type = 'application/json'): Promise<string> {
    const { url } = JSON.parse(readFileSync(join(this.place.data, 'run', 'api.json'), 'utf8')) as { url: string }
    const token = readFileSync(join(this.place.data, 'run', 'operator.token'), 'utf8').trim()
    const answer = await fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
      ...(body === undefined ? {} : { method: 'POST', body }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return text
  }

  async json<Value>(path: string): Promise<Value> {
    return JSON.parse(await this.api(path)) as Value
  }

  async cells(): Promise<readonly CellSeen[]> {
    interface Row {
      readonly id: string
      readonly agentType: string
      readonly agents: number
      readonly identity: { readonly pid: number }
      readonly standsBy?: string
    }
    const { items } = await this.json<{ items: readonly Row[] }>('cells?limit=1000')
    return items
      .filter(({ standsBy, agents }) => standsBy === undefined && agents > 0)
      .map(({ id, agentType, identity }) => ({ id, agentType, pid: identity.pid }))
  }

  /** What the agent's own task told when it ended, where it did this hazard; undefined while none has. */
  async wordOf(agent: string, hazard: string): Promise<string | undefined> {
    interface Attempt {
      readonly task: string
      readonly outcome: string | null
    }
    const { attempts } = await this.json<{ attempts: readonly Attempt[] }>(`agents/${agent}`)
    for (const { task } of attempts
      .filter(({ outcome }) => outcome === 'succeeded')
      .slice(0, 5)
      .toReversed()) {
      const { result } = await this.json<{ result: string | null }>(`tasks/${task}`)
      const said: unknown = JSON.parse(result ?? 'null')
      if (typeof said === 'string' && said.startsWith(`${hazard}: `)) return said.slice(hazard.length + 2)
    }
    return undefined
  }

  agent(id: string): Promise<AgentSeen> {
    return this.json(`agents/${id}`)
  }

  /** What happened after this event, oldest first. */
  async events(afterSeq: number): Promise<readonly EventSeen[]> {
    const { items } = await this.json<{ items: readonly EventSeen[] }>('events?limit=1000&newestFirst=true')
    return items.filter(({ seq }) => seq > afterSeq).toReversed()
  }

  async lastSeq(): Promise<number> {
    return (await this.json<{ items: readonly EventSeen[] }>('events?limit=1&newestFirst=true')).items[0]?.seq ?? 0
  }

  async summary(): Promise<Readonly<Record<string, number>>> {
    return (await this.json<{ fleet: { byState: Record<string, number> } }>('swarm')).fleet.byState
  }

  async until<Value>(what: string, withinMs: number, look: () => Promise<Value | undefined | false>): Promise<Value> {
    let last: unknown
    for (const end = performance.now() + withinMs; performance.now() < end;) {
      try {
        const found = existsSync(join(this.place.data, 'run', 'api.json')) && (await look())
        if (found !== undefined && found !== false) return found as Value
      } catch (error) {
        last = error
      }
      await wait(100)
    }
    throw new Error(`${what} did not come to pass within ${withinMs} ms: ${String(last)}\n${this.up.output()}`)
  }

  /** A task for each agent of the type. */
  async turn(type: string, count: number, payload: object): Promise<void> {
    const line = JSON.stringify({ type, payload })
    await this.api('tasks:batch', `${line}\n`.repeat(count), 'application/x-ndjson')
  }
}
