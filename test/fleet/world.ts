/**
 * A small world for the fleet: a clock that only moves when told, a record in memory, and cells that do as they are
 * told.
 */
import type { Cell, CellEvents, CellKind, CellPlan } from '../../src/cell/cell.ts'
import { openFleet, type Fleet, type FleetHooks, type FleetLine } from '../../src/fleet/fleet.ts'
import { formatAgent, type AgentType } from '../../src/model/model.ts'
import { Failure, idMaker, seeded, type Cancel, type Clock } from '../../src/std/std.ts'
import type { AgentRow, Command, NewAudit, NewEvent, Queries, Store } from '../../src/store/store.ts'
import type { Frame, Run, Seat } from '../../src/wire/wire.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
}

export class VirtualClock implements Clock {
  bootId = 'boot-1'
  #monoMs = 1_000
  #wallMs = 1_800_000_000_000
  #order = 0
  readonly #timers = new Set<Timer>()

  wallMs(): number {
    return this.#wallMs
  }
  monoMs(): number {
    return this.#monoMs
  }
  stamp(): { wallMs: number; monoMs: number; bootId: string } {
    return { wallMs: this.#wallMs, monoMs: this.#monoMs, bootId: this.bootId }
  }
  timer(delayMs: number, fire: () => void): Cancel {
    const timer = { atMs: this.#monoMs + Math.max(0, delayMs), order: (this.#order += 1), fire }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }
  get timers(): number {
    return this.#timers.size
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
  }

  /** Moves on, firing what becomes due in order, each followed by whatever it sets off. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monoMs + ms
    await this.settle()
    for (;;) {
      const due = [...this.#timers]
        .filter((one) => one.atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (due === undefined) break
      this.#move(Math.max(0, due.atMs - this.#monoMs))
      this.#timers.delete(due)
      due.fire()
      await this.settle()
    }
    this.#move(untilMs - this.#monoMs)
  }

  /** The machine stood still: time passed and nothing fired until now. */
  async sleepThrough(ms: number): Promise<void> {
    this.#move(ms)
    await this.advance(0)
  }

  #move(ms: number): void {
    this.#monoMs += ms
    this.#wallMs = Math.round(this.#wallMs + ms)
  }
}

export interface StoredEvent extends NewEvent {
  readonly wallMs: number
}

/** The part of the record that the fleet writes, in memory. */
export class MemoryRecord implements Pick<Store, 'transact' | 'read'> {
  epoch = 1
  /** Set to make every write fail. */
  broken: Error | null = null
  lists = 0
  rowsSaved = 0
  readonly agents = new Map<string, AgentRow>()
  readonly cells = new Map<string, { readonly pid: number; ended: string | null }>()
  readonly events: StoredEvent[] = []
  readonly audit: NewAudit[] = []
  readonly #clock: Clock
  constructor(clock: Clock) {
    this.#clock = clock
  }

  readonly read = { agents: () => [...this.agents.values()] } as unknown as Queries

  transact = (async (commands: readonly Command[]): Promise<unknown> => {
    this.lists += 1
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    if (this.broken) throw this.broken
    const stale = commands.find((one) => 'epoch' in one.with && one.with.epoch !== this.epoch)
    if (stale) {
      return commands.map((one) => ({
        ok: false,
        refusal: one === stale ? 'stale' : 'rolled-back',
        detail: 'not the newest epoch',
      }))
    }
    for (const command of commands) this.#apply(command)
    return commands.map(() => ({ ok: true, value: null }))
  }) as Store['transact']

  #apply(command: Command): void {
    const { kind } = command
    if (kind === 'agents.save') {
      this.rowsSaved += command.with.rows.length
      for (const row of command.with.rows)
        this.agents.set(formatAgent(row), JSON.parse(JSON.stringify(row)) as AgentRow)
    } else if (kind === 'cell.started') this.cells.set(command.with.id, { pid: command.with.identity.pid, ended: null })
    else if (kind === 'cell.ended') this.cells.get(command.with.id)!.ended = command.with.detail
    else if (kind === 'events.add') {
      for (const event of command.with.events) this.events.push({ ...event, wallMs: this.#clock.wallMs() })
    } else if (kind === 'audit.append') this.audit.push(...command.with.entries)
    else throw new Error(`the fleet wrote ${kind}`)
  }

  eventsOf(kind: string): readonly StoredEvent[] {
    return this.events.filter((event) => event.kind === kind)
  }
}

/** One scripted host. It answers like the pool: lists its agents, holds attempts, drops what it is told to drop. */
export class FakeCell implements Cell {
  readonly id: string
  readonly identity: { readonly pid: number; readonly startTime: string }
  readonly plan: CellPlan
  readonly events: CellEvents
  readonly seats = new Map<string, Seat>()
  readonly runs = new Map<string, Run>()
  readonly seen: Frame[] = []
  #hung = false
  /** What it will read once it is no longer hung. */
  readonly #unread: (() => void)[] = []
  /** Ignores kills too. */
  immortal = false
  ended = false
  pings = 0
  /** Time that an answer to a challenge is on its way. */
  pongMs = 0
  drained = false
  pendingBytes = 0
  /** Agents that are seated but do not show up. */
  readonly hidden = new Set<string>()
  readonly #world: FakeCells

  constructor(plan: CellPlan, events: CellEvents, world: FakeCells, pid: number) {
    this.id = plan.id
    this.plan = plan
    this.events = events
    this.#world = world
    this.identity = { pid, startTime: `${pid}00` }
    for (const seat of plan.seats) this.seats.set(seat.agent, seat)
  }

  /**
   * Does nothing any more, like a busy loop or SIGSTOP; a kill still works, and what it was sent waits in its socket.
   */
  get hung(): boolean {
    return this.#hung
  }
  set hung(hung: boolean) {
    this.#hung = hung
    if (!hung) for (const read of this.#unread.splice(0)) read()
  }

  send(frames: readonly Frame[]): void {
    if (this.ended) return
    if (this.#hung) {
      this.#unread.push(() => this.send(frames))
      return
    }
    for (const frame of frames) {
      this.seen.push(frame)
      if ('method' in frame) this.#take(frame.method, frame.params as Record<string, unknown>)
    }
  }

  #take(method: string, params: Record<string, unknown>): void {
    if (method === 'seat') for (const seat of params['seats'] as Seat[]) this.seats.set(seat.agent, seat)
    if (method === 'unseat') {
      for (const agent of params['agents'] as string[]) {
        this.seats.delete(agent)
        this.runs.delete(agent)
      }
    }
    if (method === 'cancel') this.#world.onCancel?.(this, params as unknown as { agent: string; attempt: string })
    if (method === 'run') {
      const run = params as unknown as Run
      this.runs.set(run.agent, run)
      this.#world.onRun?.(this, run)
    }
  }

  async ask(method: string, params: unknown, withinMs: number): Promise<unknown> {
    this.pings += 1
    if (this.ended) throw new Failure('cell-lost', 'the cell is gone')
    if (this.#hung) {
      return new Promise((resolve, reject) => {
        this.#world.clock.timer(withinMs, () => reject(new Failure('timed-out', 'no answer')))
        this.#unread.push(() => {
          this.ask(method, params, withinMs).then(resolve, reject)
        })
      })
    }
    if (method === 'drain') {
      this.drained = true
      return new Promise((resolve) => {
        const look = (): void => {
          if (this.runs.size === 0) resolve({ open: [] })
          else this.#world.clock.timer(10, look)
        }
        look()
      })
    }
    const pong = {
      nonce: (params as { nonce: string }).nonce,
      agents: [...this.seats.keys()].filter((agent) => !this.hidden.has(agent)).toSorted(),
      open: [...this.runs.values()].map(({ agent, attempt }) => ({ agent, attempt })),
    }
    await new Promise<void>((resolve) => {
      if (this.pongMs === 0) resolve()
      else this.#world.clock.timer(this.pongMs, resolve)
    })
    return pong
  }

  kill(why: string): void {
    if (!this.immortal) this.end('killed-by-us', why)
  }

  /** The process is gone. */
  end(cause: Parameters<CellEvents['gone']>[0]['cause'] = 'killed', detail = 'signal SIGKILL'): void {
    if (this.ended) return
    this.ended = true
    this.#world.living.delete(this)
    this.events.gone({ cause, detail, end: { code: null, signal: 'SIGKILL' } })
  }

  /** The host says something; resolves with the sitter's answer. */
  say(method: string, params: unknown): Promise<{ readonly result?: unknown; readonly error?: unknown }> {
    if (this.hung || this.ended)
      return new Promise(() => {
        /* nobody hears it */
      })
    return new Promise((resolve) => {
      this.events.frame(method, params, resolve)
    })
  }

  /** The agent finishes what it was given. */
  async finish(agent: string, method: 'done' | 'fail' | 'park' = 'done'): Promise<void> {
    const run = this.runs.get(agent)
    if (!run) return
    const more =
      method === 'fail' ? { error: { name: 'Error', message: 'no' } } : method === 'park' ? { reason: 'rate' } : {}
    const answer = this.say(method, { agent, attempt: run.attempt, ...more })
    await answer
    if (this.runs.get(agent) === run) this.runs.delete(agent)
  }
}

export class FakeCells implements CellKind {
  readonly clock: VirtualClock
  readonly living = new Set<FakeCell>()
  readonly all: FakeCell[] = []
  /** Time from start to hello. */
  startMs = 100
  /** Cells that are between start and hello now, and the most there were. */
  starting = 0
  mostStarting = 0
  /** Asked before each start; a text is why it fails. */
  failing: ((plan: CellPlan) => string | null) | null = null
  onRun: ((cell: FakeCell, run: Run) => void) | null = null
  onCancel: ((cell: FakeCell, what: { agent: string; attempt: string }) => void) | null = null
  #pid = 100

  constructor(clock: VirtualClock) {
    this.clock = clock
  }

  async start(plan: CellPlan, events: CellEvents): Promise<Cell> {
    const why = this.failing?.(plan)
    if (why) throw new Failure('cell-start', why)
    const cell = new FakeCell(plan, events, this, (this.#pid += 1))
    this.all.push(cell)
    this.living.add(cell)
    this.starting += 1
    this.mostStarting = Math.max(this.mostStarting, this.starting)
    this.clock.timer(this.startMs, () => {
      this.starting -= 1
      if (!cell.ended) events.ready()
    })
    return cell
  }

  /** The living cell that an agent has its seat in. */
  of(agent: string): FakeCell {
    const found = [...this.living].find((cell) => cell.seats.has(agent))
    if (!found) throw new Error(`${agent} sits nowhere`)
    return found
  }
}

export const agentType = (change: Partial<AgentType> = {}): AgentType => ({
  name: 'settler',
  run: { module: '/agents/settler.ts' },
  count: 10,
  cell: { kind: 'pool', orWeaker: false },
  upstreams: ['northbank'],
  restart: { type: 'permanent', max: 5, withinMs: 600_000, baseMs: 200, capMs: 30_000 },
  heartbeatMs: 5_000,
  stuckAfterMs: 60_000,
  startWithinMs: 10_000,
  perCell: 5,
  memoryBytes: 256_000_000,
  overrides: {},
  config: {},
  ...change,
})

type Lost = Parameters<FleetHooks['lost']>[0][number]

export interface World {
  readonly clock: VirtualClock
  readonly record: MemoryRecord
  readonly cells: FakeCells
  readonly fleet: Fleet
  readonly lost: Lost[]
  readonly freed: string[]
  readonly requests: { readonly method: string; readonly agent: string; readonly params: Record<string, unknown> }[]
  readonly lines: FleetLine[]
  readonly gate: Map<string, readonly string[]>
  readonly deposed: string[]
  /** Set to change how requests of agents are answered. */
  answer: (method: string, agent: string, params: Record<string, unknown>) => Promise<unknown>
  waitsOutside: (attempt: string) => boolean
  /** Takes one free agent of the type and gives it an attempt; undefined when none is free. */
  give(attempt: string, agentType?: string): string | undefined
  state(agent: string): string
  ref(agent: string): { type: string; number: number }
}

export interface WorldAsk {
  readonly types?: readonly AgentType[]
  readonly clock?: VirtualClock
  readonly record?: MemoryRecord
  readonly cells?: FakeCells
  readonly epoch?: number
  readonly startingAtOnce?: number
  readonly seed?: number
}

export const openWorld = async (ask: WorldAsk = {}): Promise<World> => {
  const clock = ask.clock ?? new VirtualClock()
  const record = ask.record ?? new MemoryRecord(clock)
  const cells = ask.cells ?? new FakeCells(clock)
  const types = ask.types ?? [agentType()]
  const random = seeded(ask.seed ?? 7)
  const world = {
    clock,
    record,
    cells,
    lost: [] as Lost[],
    freed: [] as string[],
    requests: [] as World['requests'],
    lines: [] as FleetLine[],
    gate: new Map<string, readonly string[]>(),
    deposed: [] as string[],
    answer: async () => null,
    waitsOutside: () => false,
  } as unknown as World & { fleet: Fleet }
  world.fleet = await openFleet({
    clock,
    random,
    newId: idMaker(clock, random),
    store: record,
    cells,
    gatelink: {
      openCell: ({ cell, agents }) => {
        world.gate.set(cell, agents)
      },
      closeCell: (cell) => {
        world.gate.delete(cell)
      },
    },
    config: { agents: Object.fromEntries(types.map((type) => [type.name, type])) },
    owner: 'host-1',
    epoch: ask.epoch ?? 1,
    directories: { cells: '/state/cells', sockets: '/run/s' },
    hooks: {
      free: (type) => {
        world.freed.push(type)
      },
      lost: (attempts) => {
        world.lost.push(...attempts)
      },
      waitsOutside: (attempt) => world.waitsOutside(attempt),
      request: (method, agent, params) => {
        const fields = params as Record<string, unknown>
        world.requests.push({ method, agent, params: fields })
        return world.answer(method, agent, fields)
      },
    },
    onLog: (line) => {
      world.lines.push(line)
    },
    proc: {
      startTime: (pid) => [...cells.living].find((cell) => cell.identity.pid === pid)?.identity.startTime,
      residentBytes: () => 1_000_000,
    },
    onDeposed: (detail) => {
      world.deposed.push(detail)
    },
    ...(ask.startingAtOnce === undefined ? {} : { startingAtOnce: ask.startingAtOnce }),
  })
  world.ref = (agent) => {
    const [type, number] = agent.split('/')
    return { type: type!, number: Number(number) }
  }
  world.state = (agent) => world.fleet.view(world.ref(agent))!.state
  world.give = (attempt, type = types[0]!.name) => {
    const [free] = world.fleet.take(type, 1)
    if (!free) return undefined
    world.fleet.run([
      {
        agent: free.agent,
        cell: free.cell,
        attempt,
        task: `tsk_${attempt}`,
        type: 'settle',
        payload: {},
        number: 1,
        deadline: null,
        key: attempt,
      },
    ])
    return free.agent
  }
  return world
}
