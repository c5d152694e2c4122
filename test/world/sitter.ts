/**
 * One sitter of a world: the rooms as `src/sitter.ts` opens and binds them, over the world's ports. It ends only by
 * being killed (or by failing, which is the same): nothing is closed, and the next one finds what the record says.
 */
import { openFleet, readRequest, type Fleet, type FleetHooks } from '../../src/fleet/fleet.ts'
import { openGateLink, type GateLink } from '../../src/gatelink/gatelink.ts'
import { formatAgent, type AgentGroup, type AgentType, type Channel, type TaskType } from '../../src/model/model.ts'
import { poolCells } from '../../src/cell/cell.ts'
import { openMirror, openProgress } from '../../src/progress.ts'
import { recover } from '../../src/recovery.ts'
import { openSettle, type Settle } from '../../src/settle/settle.ts'
import { idMaker, type Random, type SteadyClock } from '../../src/std/std.ts'
import { outlast, patiently, type Committed } from '../../src/store/store.ts'
import { openWork, type Work } from '../../src/work/work.ts'
import { WorldProcess, type Timeline } from '../worlds/timeline.ts'
import { gateSocket } from './gate.ts'
import { noDisk, type Machine } from './machine.ts'
import type { WorldNet } from './net.ts'
import { WorldStore, type DiskState } from './record.ts'
import type { Times } from './times.ts'
import type { Weather } from './weather.ts'

export interface Plan {
  readonly agents: Readonly<Record<string, AgentType>>
  readonly groups: Readonly<Record<string, AgentGroup>>
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly channels: Readonly<Record<string, Channel>>
}

/** Two types, so that one has cells of many and the other of one. The first clerks are a group. */
export const planOf = (weather: Weather): Plan => {
  const { scale, perCell, heartbeatMs, standby, absentAfterMs } = weather
  const restart = { type: 'permanent', max: 5, withinMs: 600_000, baseMs: 200, capMs: 30_000 } as const
  const type = (name: string, count: number, change: Partial<AgentType> = {}): AgentType => ({
    name,
    run: { module: `/agents/${name}.ts` },
    count,
    cell: { kind: 'pool', orWeaker: false, standby },
    upstreams: ['bank'],
    restart,
    heartbeatMs,
    stuckAfterMs: 120_000,
    startWithinMs: 10_000,
    perCell,
    memoryBytes: 256_000_000,
    limits: { cpus: null, processes: 64, files: 4_096, diskBytes: 64_000_000 },
    overrides: {},
    config: {},
    ...change,
  })
  const few = Math.max(1, Math.min(20, Math.round(scale.agents / 25)))
  const retry = { max: 4, baseMs: 1_000, capMs: 60_000 } as const
  const places = Array.from({ length: Math.min(3, few) }, (_, at) => formatAgent({ type: 'clerk', number: at + 1 }))
  return {
    agents: {
      settler: type('settler', scale.agents - few),
      clerk: type('clerk', few, {
        perCell: 1,
        cell: { kind: 'pool', orWeaker: false, standby: 0 },
        dependsOn: ['settler'],
      }),
    },
    groups: { desk: { name: 'desk', places, strategy: weather.strategy, max: 5, withinMs: 600_000 } },
    tasks: {
      pay: { name: 'pay', agent: 'settler', retry, deadlineMs: null, priority: 5 },
      count: { name: 'count', agent: 'settler', retry: { ...retry, budget: 0.5 }, deadlineMs: 3_600_000, priority: 3 },
      file: { name: 'file', agent: 'clerk', retry, deadlineMs: null, priority: 5 },
    },
    channels: {
      bank: {
        name: 'bank',
        kind: 'http',
        upstream: 'bank',
        payer: 'bank',
        pay: { method: 'POST', path: '/v1/payouts' },
        keyHeader: 'idempotency-key',
        body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
        outcome: { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] },
        resolve: { by: 'query', method: 'GET', path: '/v1/payouts?key={key}', absentAfterMs },
        tries: 8,
      },
    },
  }
}

/** How often a sitter proves that it works. As much slower than in life as the beats of a world are. */
export const progressEveryMs = 30_000

export interface SitterAsk {
  readonly timeline: Timeline
  readonly weather: Weather
  readonly net: WorldNet
  readonly machine: Machine
  readonly plan: Plan
  readonly recordPath: string
  readonly disk: DiskState
  readonly times: Times
  readonly random: Random
  /** Every list that was committed. */
  committed(lists: readonly Committed[]): void
  /** Something that must not happen: an error that no room expects. */
  violated(what: string): void
  log(line: string): void
}

export class WorldSitter {
  readonly process: WorldProcess
  readonly clock: SteadyClock
  readonly store: WorldStore
  fleet!: Fleet
  work!: Work
  settle!: Settle
  gatelink!: GateLink
  /** All rooms are open and work is given out. */
  ready = false
  /** Since when (monotonic). */
  readyMs = 0
  epoch = 0
  readonly #ask: SitterAsk

  constructor(ask: SitterAsk) {
    this.#ask = ask
    this.process = new WorldProcess(ask.timeline, 'sitter', 'boot')
    this.clock = ask.times.clock(this.process, true)
    this.store = new WorldStore(ask.recordPath, { owner: this.process, disk: ask.disk, committed: ask.committed })
    this.store.onLost(() => this.#failStop(new Error('the record is lost')))
  }

  /** As `failStop` of the assembly: the process ends, and only what a record may do to it is no bug. */
  #failStop(error: unknown): void {
    const { code, message } = error as { code?: string; message: string }
    this.#ask.log(`sitter fail-stop: ${message}`)
    if (this.process.alive && message !== 'the record is lost' && code !== 'record-unknown')
      this.#ask.violated(`the sitter stopped itself: ${(error as Error).stack ?? message}`)
    this.process.end()
  }

  async open(): Promise<void> {
    const { weather, net, machine, plan, random } = this.#ask
    const { clock } = this
    const { store } = this
    const owner = 'local'
    const failed = (error: unknown): void => this.#failStop(error)
    const [opened] = await patiently(store, [
      { kind: 'host.open', with: { owner, bootId: clock.stamp().bootId, wallMs: clock.wallMs() } },
    ])
    if (!opened.ok) throw new Error(opened.detail)
    const { epoch } = opened.value
    this.epoch = epoch
    const proc = machine.of(this.process)
    const places = { sockets: '/world/sockets', cells: '/world/cells' }
    const lastLife = await recover({ store, clock, proc, disk: noDisk, owner, epoch, ...places })
    const mirror = openMirror(clock, () => {}, progressEveryMs)
    const newId = idMaker(clock, random)
    const here = { clock, random, newId, net: net.of(this.process), proc, disk: noDisk }
    const incarnation = { owner, epoch, failed }
    const settling = Promise.withResolvers<Settle>()
    const hooks = this.#hooks()
    this.gatelink = openGateLink({
      ...here,
      ...incarnation,
      socketPath: gateSocket,
      swarm: 'world',
      events: {
        linked: (gateId) => this.settle?.linked(gateId),
        lost: () => {},
        uses: async () => {},
        call: async (call) => (await settling.promise).call(call),
      },
    })
    this.fleet = await openFleet({
      ...here,
      ...incarnation,
      store: { read: store.read, transact: (commands) => patiently(store, commands) },
      gatelink: this.gatelink,
      config: plan,
      hooks,
      cells: poolCells(here),
      directories: places,
      lastLife,
      seesItself: mirror.seesItself,
      onLog: ({ level, message }) => {
        if (level !== 'info') this.#ask.log(`fleet ${level}: ${message}`)
      },
      onDeposed: (detail) => this.#failStop(new Error(detail)),
      ...(weather.scale.agents > 500 ? { startingAtOnce: 8 } : {}),
    })
    const { tasks, channels } = plan
    this.work = openWork({ ...here, ...incarnation, tasks, store, fleet: this.fleet, waitsOutside: hooks.waitsOutside })
    this.settle = openSettle({
      ...here,
      ...incarnation,
      channels,
      tasks,
      store,
      work: this.work,
      gatelink: this.gatelink,
      frozen: () => false,
    })
    settling.resolve(this.settle)
    await this.fleet.start()
    this.settle.start()
    if (this.gatelink.gateId !== null) this.settle.linked(this.gatelink.gateId)
    this.work.start()
    const deposed = (detail: string): void => this.#failStop(new Error(detail))
    openProgress({ store, clock, owner, epoch, everyMs: progressEveryMs, proven: mirror.proven, deposed })
    this.ready = true
    this.readyMs = this.#ask.timeline.monoMs
  }

  #hooks(): FleetHooks {
    return {
      free: (agentType) => this.work?.free(agentType),
      lost: (attempts) => {
        this.settle?.forget(attempts.map((one) => one.attempt))
        this.work?.lost(attempts)
      },
      waitsOutside: (attempt) => this.settle?.waitsOutside(attempt) ?? false,
      request: (method, agent, params) => {
        const request = readRequest(method, params)
        if (request.method === 'settlement') return this.settle.standing(request.params, agent)
        return request.method === 'settle'
          ? outlast(this.store, () => this.settle.request(request.params, agent))
          : this.work.request(request, agent)
      },
    }
  }
}
