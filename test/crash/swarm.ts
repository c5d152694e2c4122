/**
 * A swarm of its own for each scenario: configuration, rows, ports, data directory, and the command that people type.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../port.ts'

const root = join(import.meta.dirname, '..', '..')
const program = [...process.execArgv, join(root, 'src', 'main.ts')]

export interface Setting {
  readonly directory: string
  readonly agents: number
  readonly rows: number
  readonly faults: Readonly<Record<string, number>>
  /** Of the upstream and the provider; default `400/s`. */
  readonly rate?: string
  /** Agents of a second type, which count; default none. */
  readonly counters?: number
  /** Where the record is kept; default embedded. */
  readonly store?: string
}
export interface Place {
  readonly config: string
  readonly file: string
  readonly data: string
  readonly log: string
  readonly env: NodeJS.ProcessEnv
}

/**
 * Cells that are killed every few seconds for half an hour, hardly ever after a finished task: they would be quarantined
 * after six deaths in a row, as they should be, and that is not what is tested.
 */
const underFire = { max: 1_000, within: '1h', base: '200ms', cap: '5s' }

export const prepare = async ({
  directory,
  agents,
  rows,
  faults,
  rate = '400/s',
  counters = 0,
  store = 'embedded',
}: Setting): Promise<Place> => {
  const [api, bank] = [await freePort(), await freePort()]
  mkdirSync(directory, { recursive: true })
  const config = join(directory, 'swarm.config.json')
  const address = `127.0.0.1:${bank}`
  writeFileSync(
    config,
    JSON.stringify({
      name: 'crash',
      store,
      agents: {
        settler: {
          run: { module: join(import.meta.dirname, 'settler.ts') },
          count: agents,
          cell: { kind: 'pool', orWeaker: true },
          upstreams: ['bank'],
          heartbeat: '2s',
          ...(rate !== '400/s' && { restart: underFire }),
        },
        ...(counters > 0 && {
          counter: {
            run: { module: join(import.meta.dirname, 'counter.ts') },
            count: counters,
            cell: 'pool',
            restart: underFire,
          },
        }),
      },
      tasks: {
        settle: { agent: 'settler', retry: { max: 8, base: '200ms', cap: '5s' } },
        ...(counters > 0 && { count: { agent: 'counter', retry: { max: 8, base: '200ms', cap: '5s' } } }),
      },
      upstreams: {
        bank: {
          url: `http://${address}`,
          grant: [address],
          credentials: 'bank',
          allow: ['GET /v1/**', 'POST /v1/payouts'],
          money: ['POST /v1/payouts'],
          limits: [{ per: 'credential', rate, burst: rate === '400/s' ? 40 : 1 }],
          cost: { call: '0.01 XTS' },
        },
      },
      credentials: { bank: { kind: 'bearer' } },
      channels: {
        bank: {
          kind: 'http',
          upstream: 'bank',
          pay: 'POST /v1/payouts',
          keyHeader: 'idempotency-key',
          body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
          outcome: { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] },
          resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '2s' },
        },
      },
      rehearsal: {
        bank: { port: bank, seed: 11, rate, credential: 'bank', latency: '5ms', query: true, faults },
      },
      api: { port: api },
    }),
  )
  const file = join(directory, 'payouts.csv')
  writeFileSync(
    file,
    [
      'reference,payee,amount,currency',
      ...Array.from(
        { length: rows },
        (_, index) =>
          `R-${String(index).padStart(6, '0')},Payee ${index % 97},${1 + (index % 500)}.${String(index % 100).padStart(2, '0')},XTS`,
      ),
    ].join('\n'),
  )
  const data = join(directory, 'data')
  return {
    config,
    file,
    data,
    log: join(data, 'rehearsal', 'bank', 'log.ndjson'),
    env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'keys'), NO_COLOR: '1' },
  }
}

export interface Run {
  readonly pid: number
  readonly ended: Promise<number | null>
  output(): string
}

/** Starts a command of the CLI in a process group of its own. */
export const sitter = (place: Place, ...words: string[]): Run => {
  const child = spawn(process.execPath, [...program, ...words, '--data-dir', place.data], {
    env: place.env,
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-20_000)
    })
  return { pid: child.pid!, ended: once(child, 'exit').then(([code]) => code as number | null), output: () => text }
}

/** What a run tells of itself changes while it gets on; this long without a change is being stuck. */
const stuckAfterMs = 300_000

/** The last number of payments to go that `up` told; behind it the same words may tell the time that is left. */
export const toGoIn = (said: string): string | undefined => [...said.matchAll(/([\d,]+) to go of /g)].at(-1)?.[1]

/** How `up` ended, or `stuck`. What takes long on a busy machine is no fault as long as it goes on. */
export const endOf = async (run: Run): Promise<number | null | 'stuck'> => {
  const toGo = (): string | undefined => toGoIn(run.output())
  let [last, changedMs] = [toGo(), performance.now()]
  for (;;) {
    const code = await Promise.race([run.ended, wait(5_000, 'waits' as const, { ref: false })])
    if (code !== 'waits') return code
    const now = toGo()
    if (now !== last) [last, changedMs] = [now, performance.now()]
    else if (performance.now() - changedMs > stuckAfterMs) return 'stuck'
  }
}
