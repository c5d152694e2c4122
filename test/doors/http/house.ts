/**
 * A house for the door's tests: the real record, the real work room and a real server; agents, money and the gate are
 * scripts that note what was asked of them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHttp, type HttpDoor, type HttpOptions, type Rooms } from '../../../src/doors/http/http.ts'
import { hashConfig, openVersions, parseConfig, type ConfigVersions } from '../../../src/config/config.ts'
import type { AgentView, CellStatus, Fleet } from '../../../src/fleet/fleet.ts'
import { openFreeze, type GateLink } from '../../../src/gatelink/gatelink.ts'
import { formatAgent, parseAgent, type AgentRef, type AgentStateName } from '../../../src/model/model.ts'
import { openTokens, verifyAudit } from '../../../src/record/record.ts'
import type { LedgerCheck, Settle, SettleSummary } from '../../../src/settle/settle.ts'
import { Failure, idMaker } from '../../../src/std/std.ts'
import { realClock, realDisk, realFolder, realRandom } from '../../../src/std/real/real.ts'
import { openSqliteStore, type Store } from '../../../src/store/store.ts'
import { openWork } from '../../../src/work/work.ts'

export const token = 'test-token-0123456789abcdef'

const clock = realClock()
const random = realRandom()
export const newId = idMaker(clock, random)

export interface Told {
  readonly deed: string
  readonly with: unknown
}

/** What the scripted rooms say; tests change it. */
export interface Script {
  agents: AgentView[]
  gateId: string | null
  gateFrozen: boolean
  challenge: (cell: string) => Promise<readonly string[]>
  ledger: LedgerCheck
  settle: SettleSummary
  notBuilt: string[]
  /** A restart takes until this resolves. */
  restarting: Promise<void>
}

export const agentOf = (type: string, number: number, state: AgentStateName): AgentView => ({
  id: formatAgent({ type, number }),
  type,
  number,
  state,
  mode: 'active',
  epoch: 1,
  sinceMs: clock.wallMs() - number * 10,
  restarts: number % 3,
  reason: state === 'quarantined' ? 'six restarts in ten minutes' : null,
  exit: state === 'backoff' || state === 'quarantined' ? { kind: 'time', at: clock.wallMs() + 30_000 } : null,
  attempt: null,
  cell: {
    id: `cel_${Math.floor(number / 100)}`,
    kind: 'pool',
    pid: 4_000 + Math.floor(number / 100),
    startTime: '123456',
  },
  housing: { requested: 'pool', effective: 'pool', weaker: [], refused: null },
  evidence: [
    { fact: 'exists', source: '/proc', atMs: clock.wallMs() - 900, value: 'yes' },
    { fact: 'responds', source: 'challenge', atMs: clock.wallMs() - 4_200, value: state === 'suspect' ? 'no' : 'yes' },
    { fact: 'progresses', source: 'frames', atMs: null, value: 'unknown' },
  ],
})

const fleetOf = (script: Script, told: Told[]): Fleet => {
  const cells = (): CellStatus[] =>
    [...new Set(script.agents.map((agent) => agent.cell!.id))].map((id) => {
      const here = script.agents.filter((agent) => agent.cell!.id === id)
      return {
        id,
        kind: 'pool',
        agentType: here[0]!.type,
        identity: { pid: here[0]!.cell!.pid, startTime: '123456' },
        agents: here.length,
        busy: here.filter((agent) => agent.state === 'busy').length,
        startedMs: 0,
        answeredMs: null,
        answeredAgents: null,
        residentBytes: null,
      }
    })
  const counted = (agents: readonly AgentView[]): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (const agent of agents) counts[agent.state] = (counts[agent.state] ?? 0) + 1
    return counts
  }
  const nothing = (): void => {}
  return {
    take: () => [],
    freeCount: () => 0,
    run: nothing,
    release: nothing,
    cancel: nothing,
    list: () => script.agents,
    view: ({ type, number }: AgentRef) => script.agents.find((agent) => agent.type === type && agent.number === number),
    cells,
    challenge: (cell: string) => script.challenge(cell),
    summary: () => ({
      agents: script.agents.length,
      byState: counted(script.agents),
      byType: Object.fromEntries(
        [...new Set(script.agents.map(({ type }) => type))].map((type) => [
          type,
          counted(script.agents.filter((agent) => agent.type === type)),
        ]),
      ),
      cells: cells().length,
      restarts: 7,
      cellsLost: 1,
      coverage: {
        reporting: script.agents.filter(({ state }) => state !== 'unknown').length,
        of: script.agents.length,
        oldestMs: 4_100,
      },
    }),
    restart: async (agents: readonly AgentRef[], actor: string) => {
      told.push({ deed: 'restart', with: { agents: agents.map(formatAgent), actor } })
      await script.restarting
    },
    unquarantine: async (agents: readonly AgentRef[], actor: string) => {
      told.push({ deed: 'release', with: { agents: agents.map(formatAgent), actor } })
    },
    stop: async () => {},
  } as unknown as Fleet
}

const settleOf = (script: Script, told: Told[]): Settle =>
  ({
    batch: async (file: { name: string; text: string; dryRun: boolean }) => {
      told.push({ deed: 'batch', with: file })
      if (file.text.startsWith('wrong'))
        throw new Failure('file-invalid', 'two faults', { facts: { faults: ['line 2: amount', 'line 3: payee'] } })
      return {
        id: file.dryRun ? null : 'bat_1',
        created: true,
        rows: 2,
        newTasks: 2,
        alreadyThere: 0,
        totals: { XTS: '3.00' },
      }
    },
    resolve: async (settlement: string, as: string, evidence: string, actor: string) => {
      told.push({ deed: 'resolve', with: { settlement, as, evidence, actor } })
    },
    ledgerCheck: async () => script.ledger,
    summary: async () => script.settle,
  }) as unknown as Settle

const gateOf = (script: Script, told: Told[]): GateLink =>
  ({
    get gateId() {
      return script.gateId
    },
    vaultSet: async (name: string, sealed: string, actor: string) => {
      told.push({ deed: 'vaultSet', with: { name, sealed, actor } })
      return { name, version: 2, fingerprint: 'ab12' }
    },
    freeze: async (frozen: boolean, actor: string) => {
      told.push({ deed: 'gate.freeze', with: { frozen, actor } })
      script.gateFrozen = frozen
      return { frozen }
    },
    vaultList: async () => {
      if (script.gateId === null) throw new Failure('gate-lost', 'no link to the gate')
      return {
        sealingKey: 'k',
        credentials: [{ name: 'northbank', version: 1, state: 'active', fingerprint: 'ab12', setMs: 1, usedMs: null }],
      }
    },
    status: async () => ({
      gateId: 'gat_1',
      pid: 99,
      frozen: script.gateFrozen,
      queued: 3,
      inFlight: 12,
      cells: 50,
      upstreams: [
        {
          name: 'northbank',
          calls: 4_121,
          byStatus: { '201': 4_009, '429': 88, '500': 24 },
          latencyMs: { p50: 11, p95: 31, p99: 74 },
          limits: [{ per: 'credential', rate: '400/s', pausedUntilMs: null, waiting: 3 }],
        },
      ],
    }),
  }) as unknown as GateLink

const scriptOf = (): Script => ({
  agents: [
    ...Array.from({ length: 30 }, (_, index) =>
      agentOf('settler', index + 1, index === 4 ? 'quarantined' : index % 2 === 0 ? 'idle' : 'busy'),
    ),
    ...Array.from({ length: 3 }, (_, index) => agentOf('notifier', index + 9, 'starting')),
  ],
  gateId: 'gat_1',
  gateFrozen: false,
  challenge: async (cell) => [`settler/0001 in ${cell}`],
  ledger: {
    ok: true,
    transfers: 4,
    accounts: 2,
    faults: [],
    byCurrency: [{ currency: 'XTS', debits: '3.00', credits: '3.00', pending: '0.00' }],
  },
  settle: { byState: {}, tries: 0, unknown: [], person: 0, idle: true, cost: [] },
  notBuilt: ['message bus'],
  restarting: Promise.resolve(),
})

export interface TestHouse extends AsyncDisposable {
  readonly door: HttpDoor
  readonly rooms: Rooms
  readonly store: Store
  readonly script: Script
  readonly told: Told[]
  readonly faults: string[]
  /** The file that freezes. */
  readonly frozenPath: string
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

/** Versions that are opened when they are first asked for: opening records the one that runs. */
const lateVersions = (running: ConfigVersions['running'], open: () => Promise<ConfigVersions>): ConfigVersions => {
  let opened: Promise<ConfigVersions> | undefined
  const versions = (): Promise<ConfigVersions> => (opened ??= open())
  return {
    running,
    shown: () => ({ raw: running.raw, hash: running.hash }),
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
  const store = openSqliteStore(join(directory, 'swarm.db'))
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
    config: parseConfig(rawConfig, directory),
  }
  const rooms: Rooms = {
    name: 'payouts',
    version: '0.0.0',
    owner: 'here',
    epoch: host.value.epoch,
    pid: process.pid,
    startedMs: clock.wallMs() - 61_000,
    clock,
    newId,
    config: {
      name: 'payouts',
      agents: { settler: {}, notifier: {} },
      tasks: taskTypes,
      channels: {},
    } as unknown as Rooms['config'],
    store,
    fleet,
    work,
    settle: settleOf(script, told),
    gatelink,
    freeze,
    tokens: await openTokens({ store, clock, random, newId, onFault: noteFault }),
    configs: lateVersions(running, () =>
      openVersions({ store, disk: realDisk(), clock, dataDirectory: directory, running }),
    ),
    audit: { verify: () => verifyAudit(store.read) },
    logs: realFolder(directory),
    lag: { figures: () => ({ p50: 0.0001, p99: 0.002, max: 0.05 }), stop: () => {} },
    get notBuilt() {
      return script.notBuilt
    },
    restart: (gate, actor) => told.push({ deed: 'begin anew', with: { gate, actor } }),
    shutdown: (withinMs, actor) => told.push({ deed: 'shutdown', with: { withinMs, actor } }),
  }
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
