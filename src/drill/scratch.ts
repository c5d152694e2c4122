/**
 * A small swarm of its own for drills: a temporary folder, two cells of canaries, a rehearsal bank, the real `up`. It
 * is looked at from outside alone: its API, /proc, and the bank's own log. Nothing of a real swarm is near it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { failure, sleep, type Child, type Clock, type Proc } from '../std/std.ts'
import { processesOf } from './machine.ts'

export interface ScratchPorts {
  readonly clock: Clock
  readonly proc: Proc
  readonly fetch: typeof globalThis.fetch
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts when the person has had enough. */
  readonly interrupted: AbortSignal
}

const extension = extname(import.meta.filename)
const main = join(import.meta.dirname, '..', `main${extension}`)
export const beatMs = 1_000
export const stuckAfterMs = 3_000
const passedOn = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NODE_COMPILE_CACHE']
const lookEveryMs = 50
/** Its sockets lie in it, whose path may have 100 bytes: 86 of them are names below this folder. */
const longestBase = 14
const baseOf = (wanted: string): string => (wanted.length <= longestBase ? wanted : '/tmp')
const upWithinMs = 90_000
const takenWithinMs = 30_000

const configOf = (port: number): object => ({
  name: 'drill',
  agents: {
    canary: {
      run: { module: join(import.meta.dirname, `canary${extension}`) },
      count: 6,
      perCell: 3,
      cell: { kind: 'pool', standby: 0 },
      upstreams: ['bank'],
      heartbeat: `${beatMs}ms`,
      stuckAfter: `${stuckAfterMs}ms`,
      restart: { max: 50, within: '10m', base: '100ms', cap: '500ms' },
      limits: { memory: '64MB' },
    },
  },
  tasks: {
    pay: { agent: 'canary', retry: { max: 20, base: '100ms', cap: '1s' } },
    harm: { agent: 'canary', retry: { max: 5, base: '100ms', cap: '500ms' } },
  },
  upstreams: {
    bank: {
      url: `http://127.0.0.1:${port}`,
      grant: [`127.0.0.1:${port}`],
      credentials: 'bank',
      allow: ['GET /v1/**', 'POST /v1/payouts'],
      money: ['POST /v1/payouts'],
      limits: [{ per: 'credential', rate: '100/s', burst: 20 }],
    },
  },
  credentials: { bank: { kind: 'bearer' } },
  channels: {
    bank: {
      kind: 'http',
      upstream: 'bank',
      pay: 'POST /v1/payouts',
      body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '2s' },
      tries: 50,
    },
  },
  rehearsal: { bank: { port, seed: 7, rate: '400/s', credential: 'bank', latency: '5ms' } },
  api: { port: 0 },
})

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { readonly port: number }
      server.close(() => resolve(port))
    })
  })

export interface BankLine {
  readonly at: number
  readonly kind: string
  readonly key?: string
  readonly reference?: string
}
export interface EventSeen {
  readonly seq: number
  readonly kind: string
  readonly subject: string
  readonly facts: Readonly<Record<string, unknown>>
}
export interface CanarySeen {
  readonly id: string
  readonly state: string
  readonly cell: { readonly id: string; readonly pid: number; readonly startTime: string } | null
}

type Json = Readonly<Record<string, unknown>>

export class Scratch {
  readonly directory: string
  readonly data: string
  readonly #ports: ScratchPorts
  readonly #bank: string
  readonly #child: Child
  #said = ''

  private constructor(directory: string, bank: string, child: Child, ports: ScratchPorts) {
    this.directory = directory
    this.data = join(directory, 'data')
    this.#bank = bank
    this.#child = child
    this.#ports = ports
  }

  static async start(ports: ScratchPorts): Promise<Scratch> {
    const directory = mkdtempSync(join(baseOf(ports.env['TMPDIR'] ?? tmpdir()), 'drill-'))
    const port = await freePort()
    const file = join(directory, 'swarm.config.json')
    writeFileSync(file, JSON.stringify(configOf(port)))
    const env = Object.fromEntries(passedOn.flatMap((name) => (ports.env[name] ? [[name, ports.env[name]]] : [])))
    const late: { scratch?: Scratch } = {}
    const child = await ports.proc.spawn({
      command: process.execPath,
      args: [
        ...process.execArgv.filter((word) => !word.includes('jump')),
        `--import=${join(import.meta.dirname, `jump${extension}`)}`,
        main,
        'up',
        file,
        '--data-dir',
        join(directory, 'data'),
        '--no-color',
      ],
      env: { ...env, XDG_CONFIG_HOME: join(directory, 'keys'), XDG_RUNTIME_DIR: directory },
      cwd: directory,
      ownGroup: true,
      dieWithParent: true,
      onLine: (_stream, line) => {
        if (late.scratch) late.scratch.#said = `${late.scratch.#said}\n${line}`.slice(-4_000)
      },
    })
    const scratch = new Scratch(directory, `http://127.0.0.1:${port}`, child, ports)
    late.scratch = scratch
    try {
      await scratch.until('the swarm is up', () => scratch.isWhole(), upWithinMs)
      return scratch
    } catch (error) {
      await scratch.stop()
      throw error
    }
  }

  get clock(): Clock {
    return this.#ports.clock
  }

  async api(path: string, body?: object): Promise<Json & { readonly items?: readonly Json[] }> {
    const { url } = JSON.parse(readFileSync(join(this.data, 'run', 'api.json'), 'utf8')) as { url: string }
    const token = readFileSync(join(this.data, 'run', 'operator.token'), 'utf8').trim()
    const answer = await this.#ports.fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    const value = (await answer.json()) as Json
    if (!answer.ok) throw failure('no-sitter', `${path}: ${answer.status} ${JSON.stringify(value)}`)
    return value
  }

  /** Looks again until it gives something; null when the time is over. Who cannot be asked says nothing. */
  async seen<Value>(look: () => Promise<Value | undefined | false>, withinMs: number): Promise<Value | null> {
    const { clock, interrupted } = this.#ports
    const endMs = clock.monoMs() + withinMs
    for (;;) {
      const found = await look().catch(() => undefined)
      if (found !== undefined && found !== false) return found
      if (interrupted.aborted) throw failure('timed-out', 'interrupted')
      if (clock.monoMs() >= endMs) return null
      await sleep(clock, lookEveryMs)
    }
  }

  async until(what: string, look: () => Promise<unknown>, withinMs: number): Promise<void> {
    if ((await this.seen(async () => ((await look()) ? true : undefined), withinMs)) !== null) return
    throw failure(
      'timed-out',
      `the drill's swarm: ${what}: not within ${withinMs} ms; it said: ${this.#said.slice(-1_500)}`,
    )
  }

  async canaries(): Promise<readonly CanarySeen[]> {
    return (await this.api('agents/canary?limit=100')).items as unknown as readonly CanarySeen[]
  }

  /** Every canary is free, in a process that is there. */
  async isWhole(): Promise<boolean> {
    const all = await this.canaries()
    const there = new Set(processesOf('').map(({ pid, startTime }) => `${pid} ${startTime}`))
    return (
      all.length > 0 &&
      all.every(({ state, cell }) => state === 'idle' && cell !== null && there.has(`${cell.pid} ${cell.startTime}`))
    )
  }

  /** The newest of them, newest first. */
  async events(): Promise<readonly EventSeen[]> {
    return (await this.api('events?newestFirst=true&limit=500')).items as unknown as readonly EventSeen[]
  }

  /** Asks again while nobody answers: by its key it is the same task. */
  async submit(type: string, payload: object, key: string): Promise<string> {
    const id = await this.seen(
      async () => (await this.api('tasks', { type, payload, key }))['id'] as string,
      takenWithinMs,
    )
    if (id !== null) return id
    throw failure('timed-out', `the drill's swarm took no task of ${type} within ${takenWithinMs} ms`)
  }

  async stateOf(task: string): Promise<string> {
    const { state } = (await this.api(`tasks/${task}`)) as { readonly state?: { readonly state?: string } }
    return state?.state ?? 'unknown'
  }

  bankLog(): readonly BankLine[] {
    const path = join(this.data, 'rehearsal', 'bank', 'log.ndjson')
    if (!existsSync(path)) return []
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as BankLine)
  }

  async faults(shares: Readonly<Record<string, number>>): Promise<void> {
    const token = readFileSync(join(this.data, 'rehearsal', 'bank', 'token'), 'utf8').trim()
    const answer = await this.#ports.fetch(`${this.#bank}/_rehearsal/faults`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(shares),
    })
    if (!answer.ok) throw failure('bug', `the rehearsal does not take ${JSON.stringify(shares)}: ${answer.status}`)
  }

  /** Sets the clock on the wall of all its programs, as far off as this. */
  setClock(offMs: number): void {
    writeFileSync(join(this.directory, 'clock'), String(offMs))
  }

  /** Takes the lock that a writer of its record needs; null = it cannot be had. Gives what lets go of it. */
  lockRecord(): (() => void) | null {
    const other = new DatabaseSync(join(this.data, 'swarm.db'), { timeout: 5_000 })
    const close = (): void => {
      if (other.isOpen) other.close()
    }
    try {
      other.exec('BEGIN IMMEDIATE')
      return close
    } catch {
      close()
      return null
    }
  }

  /** Ends it in order, and by force after that; gives what is still there then. */
  async stop(): Promise<readonly string[]> {
    const { clock } = this.#ports
    let over = false
    void this.#child.ended.then(() => {
      over = true
    })
    this.#child.kill('SIGTERM')
    for (const endMs = clock.monoMs() + 30_000; !over && clock.monoMs() < endMs;) await sleep(clock, lookEveryMs)
    const said = over ? [] : ['it had to be ended by force']
    this.#child.killGroup('SIGKILL')
    const left = (): readonly string[] => processesOf(this.directory).map(({ pid, command }) => `${pid} ${command}`)
    for (const endMs = clock.monoMs() + 5_000; left().length > 0 && clock.monoMs() < endMs;)
      await sleep(clock, lookEveryMs)
    const all = [...said, ...left()]
    rmSync(this.directory, { recursive: true, force: true })
    if (existsSync(this.directory)) all.push(this.directory)
    return all
  }
}
