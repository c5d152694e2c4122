/**
 * A house for the door's tests: the real record, the real work room and a real server; agents, money and the gate are
 * scripts that note what was asked of them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHttp, type HttpDoor, type HttpOptions, type Rooms } from '../../../src/doors/http/http.ts'
import { hashConfig, openVersions, parseConfig, startVersion, type ConfigVersions } from '../../../src/config/config.ts'
import { openModes } from '../../../src/fleet/fleet.ts'
import { openFreeze } from '../../../src/gatelink/gatelink.ts'
import { parseAgent, type AgentRef } from '../../../src/model/model.ts'
import { openAlerts, openTokens, verifyAudit } from '../../../src/record/record.ts'
import { idMaker, type Failure } from '../../../src/std/std.ts'
import { realClock, realDisk, realFolder, realRandom } from '../../../src/std/real/real.ts'
import type { Store } from '../../../src/store/store.ts'
import { openWork } from '../../../src/work/work.ts'
import { fleetOf, gateOf, scriptOf, settleOf, type Script, type Told } from './script.ts'
import { openRecord } from '../../store/record.ts'

export { agentOf, type Script, type Told } from './script.ts'

export const token = 'test-token-0123456789abcdef'

const clock = realClock()
const random = realRandom()
export const newId = idMaker(clock, random)

export interface TestHouse extends AsyncDisposable {
  readonly door: HttpDoor
  readonly rooms: Rooms
  readonly store: Store
  readonly script: Script
  readonly told: Told[]
  readonly faults: string[]
  /** The file that freezes. */
  readonly frozenPath: string
  /** The file of the log that is written. */
  readonly logPath: string
  /** Starts the door again on its port, after it was stopped. */
  reopen(): Promise<void>
  /** A request with the token. */
  call(path: string, init?: RequestInit): Promise<Response>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
}

/** The configuration that runs, as text would give it. */
export const rawConfig = { name: 'payouts', agents: {}, tasks: {}, api: { port: 7_701 } }

const taskTypes = {
  settle: {
    name: 'settle',
    agent: 'settler',
    retry: { max: 3, baseMs: 1_000, capMs: 60_000 },
    deadlineMs: null,
    priority: 5,
  },
}

type VersionsOptions = Parameters<typeof openVersions>[0]

/** Versions that are opened when they are first asked for: opening records the one that runs. */
const lateVersions = (running: ConfigVersions['running'], open: () => Promise<ConfigVersions>): ConfigVersions => {
  let opened: Promise<ConfigVersions> | undefined
  const versions = (): Promise<ConfigVersions> => (opened ??= open())
  return {
    running,
    shown: () => ({ raw: running.raw, hash: running.hash }),
    refused: async (...asked) => (await versions()).refused(...asked),
    list: async (ask) => (await versions()).list(ask),
    version: async (number) => (await versions()).version(number),
    diff: async (from, to) => (await versions()).diff(from, to),
    check: async (candidate) => (await versions()).check(candidate),
    apply: async (...asked) => (await versions()).apply(...asked),
  }
}

/** Opens a house with a server on a free port. `await using` closes it. */
export const openHouse = async (options: Partial<HttpOptions> = {}): Promise<TestHouse> => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-door-'))
  const store = openRecord(join(directory, 'swarm.db'))
  const [host] = await store.transact([
    { kind: 'host.open', with: { owner: 'here', bootId: 'boot', wallMs: clock.wallMs() } },
  ])
  if (!host.ok) throw new Error(host.detail)
  const script = scriptOf()
  const told: Told[] = []
  const faults: string[] = []
  const fleet = fleetOf(script, told)
  const work = openWork({
    tasks: taskTypes,
    store,
    fleet,
    clock,
    random,
    newId,
    owner: 'here',
    epoch: host.value.epoch,
    waitsOutside: () => false,
    failed: (error) => faults.push(String(error)),
  })
  const gatelink = gateOf(script, told)
  const frozenPath = join(directory, 'FROZEN')
  const noteFault = (error: unknown): void => {
    faults.push(String(error))
  }
  const freeze = await openFreeze({
    clock,
    disk: realDisk(),
    newId,
    store,
    gatelink,
    path: frozenPath,
    swarm: 'payouts',
    onFault: noteFault,
  })
  const running = {
    file: join(directory, 'swarm.config.json'),
    baseDirectory: directory,
    raw: rawConfig,
    hash: hashConfig(rawConfig),
    version: null,
    config: parseConfig(rawConfig, directory),
  }
  const late: { config?: Rooms['config'] } = {}
  const modes = await openModes({
    store,
    clock,
    random,
    config: () => late.config ?? running.config,
    tell: (list) => gatelink.modes(list),
    changed: () => {},
    onFault: noteFault,
  })
  const rooms: Rooms = {
    name: 'payouts',
    version: '0.0.0',
    owner: 'here',
    epoch: host.value.epoch,
    pid: process.pid,
    startedMs: clock.wallMs() - 61_000,
    clock,
    newId,
    modes,
    config: {
      name: 'payouts',
      degrade: { types: null, agents: null, repeats: null, channels: {} },
      agents: { settler: { count: 5_000, overrides: {} }, notifier: { count: 10, overrides: {} } },
      tasks: taskTypes,
      channels: {
        northbank: {
          name: 'northbank',
          kind: 'http',
          upstream: 'northbank',
          payer: 'assets:northbank',
          pay: { method: 'POST', path: '/v1/payouts' },
          resolve: { by: 'query', method: 'GET', path: '/v1/payouts?key={key}', absentAfterMs: 60_000 },
          tries: 5,
        },
      },
      upstreams: {
        northbank: { url: 'http://127.0.0.1:9100', credential: 'northbank', allow: ['GET /v1/**'], money: [] },
      },
    } as unknown as Rooms['config'],
    store,
    fleet,
    work,
    settle: settleOf(script, told),
    gatelink,
    freeze,
    tokens: await openTokens({ store, clock, random, newId, onFault: noteFault }),
    alerts: await openAlerts({
      store,
      clock,
      newId,
      swarm: 'payouts',
      conditions: async () => script.conditions,
      targets: () => [],
      onFault: noteFault,
    }),
    configs: lateVersions(running, async () => {
      const port = { store, disk: realDisk(), clock, dataDirectory: directory }
      const take = async (...[{ raw }, , actor]: Parameters<VersionsOptions['take']>): Promise<'unchanged'> => {
        told.push({ deed: 'take', with: { raw, actor } })
        return 'unchanged'
      }
      return openVersions({ ...port, running: await startVersion(port, running), take })
    }),
    audit: { verify: (anchor) => verifyAudit(store.read, anchor) },
    logs: realFolder(directory),
    lag: { figures: () => ({ p50: 0.0001, p99: 0.002, max: 0.05 }), stop: () => {} },
    openFiles: () => ({ open: 40, most: 1_024 }),
    get notBuilt() {
      return script.notBuilt
    },
    restart: (actor) => told.push({ deed: 'begin anew', with: { actor } }),
    stopping: () => script.stopping,
    shutdown: (withinMs, actor) => told.push({ deed: 'shutdown', with: { withinMs, actor } }),
  }
  late.config = rooms.config
  const opened = {
    host: '127.0.0.1',
    port: 0,
    token,
    pageDirectory: join(directory, 'no-page'),
    disk: realDisk(),
    clock,
    random,
    onFault: (fault: Failure) => faults.push(fault.message),
    ...options,
  }
  const close = async (): Promise<void> => {
    freeze.stop()
    rooms.alerts.stop()
    await work.stop()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  }
  let door = await startHttp(rooms, opened).catch(async (error: unknown) => {
    await close()
    throw error
  })
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${door.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) },
    })
  return {
    get door() {
      return door
    },
    reopen: async () => {
      door = await startHttp(rooms, { ...opened, port: Number(new URL(door.url).port) })
    },
    rooms,
    store,
    frozenPath,
    logPath: join(directory, 'swarm.ndjson'),
    script,
    told,
    faults,
    call,
    post: (path, body, headers = {}) =>
      call(path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    [Symbol.asyncDispose]: async () => {
      await door.stop()
      await close()
    },
  }
}

/** A body as JSON, loosely typed for assertions. */
export const json = async (answer: Response): Promise<Record<string, unknown>> =>
  (await answer.json()) as Record<string, unknown>

/** A settlement straight into the record, in state `reserved` or moved on to `unknown` for a person. */
export const addSettlement = async (store: Store, reference: string, unknown = false): Promise<string> => {
  const id = newId('set')
  const wallMs = clock.wallMs()
  const settlement = {
    id,
    payer: 'assets:northbank',
    reference,
    payee: 'Ada',
    amountMinor: 1_234n,
    currency: 'XTS',
    channel: 'northbank',
    memo: null,
    providerKey: `key-${reference}`,
    batch: null,
    task: null,
    agent: 'settler/0001',
  }
  const [opened] = await store.transact([{ kind: 'settlement.open', with: { settlement, wallMs } }])
  if (!opened.ok) throw new Error(opened.detail)
  if (!unknown) return id
  const move = { settlement: id, reason: 'no answer came', nextMs: null, tries: 1, providerReference: null, wallMs }
  const [submitted] = await store.transact([
    { kind: 'settlement.move', with: { ...move, from: 'reserved', event: 'submit', person: false } },
    { kind: 'settlement.move', with: { ...move, from: 'submitting', event: 'lose', person: true } },
  ])
  if (!submitted.ok) throw new Error(submitted.detail)
  return id
}

export const addEvents = async (store: Store, count: number, message = 'something happened'): Promise<void> => {
  const events = Array.from(
    { length: count },
    (_, index) =>
      ({ kind: 'test.happened', level: 'info', subject: 'sitter', message: `${message} ${index}`, facts: {} }) as const,
  )
  await store.transact([{ kind: 'events.add', with: { events, wallMs: clock.wallMs() } }])
}

export const asAgent = (id: string): AgentRef => parseAgent(id)!
