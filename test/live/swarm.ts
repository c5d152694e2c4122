/** A small swarm, run by the real command, whose configuration file is changed while it runs; looked at from outside. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostsOf, processes, programOf, type Process } from '../crash/machine.ts'

const root = join(import.meta.dirname, '..', '..')

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}
export interface AgentAnswer {
  readonly id: string
  readonly state: string
  readonly epoch: number
  readonly cell: { readonly id: string; readonly pid: number; readonly startTime: string } | null
}
export interface TaskAnswer {
  readonly state: string
  readonly result: unknown
  readonly attempts: number
}

type Json = Record<string, unknown>

/** Two seconds on a quiet machine; twenty on one with twenty runnable processes a core. */
const startMs = 60_000

export class Swarm {
  readonly directory: string
  readonly file: string
  readonly data: string
  said = ''
  up: ChildProcess

  private constructor(directory: string, config: object) {
    this.directory = directory
    this.file = join(directory, 'swarm.config.json')
    this.data = join(directory, 'data')
    this.write(config)
    this.up = this.#up()
  }

  #up(): ChildProcess {
    const up = this.#spawn('up', this.file)
    for (const stream of [up.stdout!, up.stderr!])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.said += chunk
      })
    return up
  }

  /** After everything was killed. */
  upAgain(): void {
    this.up = this.#up()
  }

  static async start(config: object): Promise<Swarm> {
    const swarm = new Swarm(await mkdtemp(join(tmpdir(), 'live-')), config)
    try {
      await swarm.until('the API', async () => existsSync(join(swarm.data, 'run', 'api.json')), startMs)
      await swarm.until(
        'all agents',
        async () => (await swarm.agents()).every(({ state }) => state === 'idle'),
        startMs,
      )
    } catch (error) {
      // Nobody else knows of it yet, and it may be too young to be asked.
      swarm.up.kill('SIGTERM')
      await swarm.stop()
      throw error
    }
    return swarm
  }

  write(config: object): void {
    writeFileSync(this.file, JSON.stringify(config))
  }

  #spawn(...words: readonly string[]): ChildProcess {
    return spawn(
      process.execPath,
      [...process.execArgv, '--conditions=source', join(root, 'src', 'main.ts'), ...words, '--data-dir', this.data],
      {
        env: { ...process.env, XDG_CONFIG_HOME: join(this.directory, 'keys'), NO_COLOR: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
  }

  /** One command of the CLI, to its end: a process of its own, as people have it. */
  async run(...words: readonly string[]): Promise<Ended> {
    const child = this.#spawn(...words)
    const said = { out: '', err: '' }
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (said.out += text))
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (said.err += text))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, ...said }
  }

  /** Writes the file and applies it; gives the answer as data. */
  async apply(config: object, ...words: readonly string[]): Promise<Json> {
    this.write(config)
    const { code, out, err } = await this.run('config', 'apply', this.file, '--json', ...words)
    if (code !== 0) throw new Error(`config apply: ${code}\n${out}${err}`)
    return JSON.parse(out) as Json
  }

  /** As a program applies it, over the API: a command's start costs half a second of a core. */
  async put(config: object): Promise<Json> {
    this.write(config)
    return this.api('config/apply', { file: this.file, baseDirectory: this.directory, raw: config })
  }

  async api(path: string, body?: object): Promise<Json & { readonly items?: readonly Json[] }> {
    const { url } = JSON.parse(readFileSync(join(this.data, 'run', 'api.json'), 'utf8')) as { url: string }
    const token = readFileSync(join(this.data, 'run', 'operator.token'), 'utf8').trim()
    const answer = await fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as Json
  }

  /** Asks until it gives something; the API is the only witness of some things. */
  async until<Value>(what: string, look: () => Promise<Value | undefined | false>, withinMs = 20_000): Promise<Value> {
    let last: unknown
    for (const end = performance.now() + withinMs; performance.now() < end;) {
      try {
        const found = await look()
        if (found !== undefined && found !== false) return found as Value
      } catch (error) {
        last = error
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${what} did not come to pass (${String(last)}); the swarm said:\n${this.said.slice(-2_000)}`)
  }

  async agents(type?: string): Promise<readonly AgentAnswer[]> {
    const { items } = await this.api(`agents${type === undefined ? '' : `/${type}`}?limit=1000`)
    return items as unknown as readonly AgentAnswer[]
  }

  /** The agents of a type as pid and start time of their process, which is there. */
  async places(type: string): Promise<Readonly<Record<string, string>>> {
    const there = new Map(processes().map(({ pid, started }) => [pid, started]))
    return Object.fromEntries(
      (await this.agents(type)).map(({ id, cell }) => {
        if (cell === null || there.get(cell.pid) !== cell.startTime) throw new Error(`${id} has no process`)
        return [id, `${cell.pid} ${cell.startTime}`]
      }),
    )
  }

  /** Resolves when a type has exactly so many agents, all idle. */
  idle(type: string, count: number): Promise<readonly AgentAnswer[]> {
    return this.until(`${count} idle ${type}`, async () => {
      const agents = (await this.agents()).filter(({ id }) => id.startsWith(`${type}/`))
      return agents.length === count && agents.every(({ state }) => state === 'idle') && agents
    })
  }

  async submit(type: string, payload: unknown): Promise<string> {
    return (await this.api('tasks', { type, payload }))['id'] as string
  }

  async task(id: string): Promise<TaskAnswer> {
    const { state, result, history } = (await this.api(`tasks/${id}`)) as unknown as {
      readonly state: { readonly state: string }
      readonly result: string | null
      readonly history: readonly unknown[]
    }
    return {
      state: state.state,
      result: result === null ? null : (JSON.parse(result) as unknown),
      attempts: history.length,
    }
  }

  ended(id: string): Promise<TaskAnswer> {
    return this.until(`the end of ${id}`, async () => {
      const found = await this.task(id)
      return ['succeeded', 'dead', 'cancelled'].includes(found.state) && found
    })
  }

  process(role: 'gate' | 'sitter'): Process {
    return programOf(role, this.data)!
  }

  hosts(): readonly Process[] {
    return hostsOf(programOf('sitter', this.data)).filter(({ command }) => command.endsWith('pool/host.ts'))
  }

  async versions(): Promise<readonly Json[]> {
    return (await this.api('config/versions')).items!
  }

  async stop(): Promise<readonly Process[]> {
    if (this.up.exitCode === null && this.up.signalCode === null) {
      const end = once(this.up, 'exit')
      await this.run('down', '--within', '1s')
      await end
    }
    const left = processes().filter(({ command }) => command.includes(this.data))
    await rm(this.directory, { recursive: true, force: true })
    return left
  }
}
