/** Cells that answer like the pool, and do as a test tells them. */
import type {
  Beds,
  CellEvents,
  CellKind,
  CellPlan,
  Sleeper,
  Standby,
  StandbyPlan,
  Witness,
} from '../../src/cell/cell.ts'
import { failure, Failure, type Code } from '../../src/std/std.ts'
import type { Frame, Run, Seat } from '../../src/wire/wire.ts'
import type { VirtualClock } from './clock.ts'

/** One scripted host. It answers like the pool: lists its agents, holds attempts, drops what it is told to drop. */
export class FakeCell implements Standby {
  readonly id: string
  readonly identity: { readonly pid: number; readonly startTime: string }
  readonly plan: CellPlan
  events: CellEvents
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
  /** How often each machine of its agents was given work, and until when its timer runs (monotonic): its memory. */
  readonly memories = new Map<string, { readonly seen: number; readonly timerMs: number | null }>()
  /** Who is seated with a machine of its own goes on; what was told of each. */
  readonly woken: { readonly agent: string; readonly sleptMs: number; readonly anew: string | null }[] = []
  readonly #sleeping = new Set<() => void>()
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
        this.memories.delete(agent)
      }
    }
    if (method === 'cancel') this.#world.onCancel?.(this, params as unknown as { agent: string; attempt: string })
    if (method === 'run') {
      const run = params as unknown as Run
      this.runs.set(run.agent, run)
      const { seen, timerMs } = this.memories.get(run.agent) ?? { seen: 0, timerMs: null }
      this.memories.set(run.agent, { seen: seen + 1, timerMs })
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

  async sleep(agent: string, ask: { readonly withinMs: number; readonly leastMs: number }): Promise<Sleeper> {
    const { clock, sleepMs, refusing } = this.#world
    const refused = refusing?.(agent)
    if (refused) throw new Failure(refused, 'not now')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const lost = (): void => reject(new Failure('cell-lost', 'the cell is gone'))
    this.#sleeping.add(lost)
    clock.timer(this.#hung ? ask.withinMs : sleepMs, () =>
      this.#hung ? reject(new Failure('timed-out', 'no answer')) : resolve(),
    )
    await promise
    this.#sleeping.delete(lost)
    const memory = this.memories.get(agent) ?? { seen: 0, timerMs: null }
    const dueInMs = memory.timerMs === null ? null : memory.timerMs - clock.monoMs()
    if (this.runs.has(agent) || (dueInMs !== null && dueInMs < ask.leastMs))
      throw new Failure('conflict', 'it waits for something here')
    this.seats.delete(agent)
    this.memories.delete(agent)
    const snapshot = Buffer.from(JSON.stringify({ seen: memory.seen, dueInMs }))
    return { agent, snapshot, build: 'fake', dueInMs }
  }

  wake(seat: Seat, snapshot: Uint8Array): void {
    const { agent, asleep = 0 } = seat
    const { seen, dueInMs } = JSON.parse(Buffer.from(snapshot).toString()) as { seen: number; dueInMs: number | null }
    const timerMs = dueInMs === null ? null : this.#world.clock.monoMs() + dueInMs - asleep
    if (timerMs !== null && timerMs <= this.#world.clock.monoMs()) this.#world.fired.push(agent)
    this.memories.set(agent, {
      seen,
      timerMs: timerMs !== null && timerMs <= this.#world.clock.monoMs() ? null : timerMs,
    })
    this.seats.set(agent, seat)
    this.woken.push({ agent, sleptMs: asleep, anew: null })
    this.#world.clock.timer(this.#world.sleepMs, () => void this.say('agent.woken', { agent, tookMs: 1, anew: null }))
  }

  async load(_what: Pick<CellPlan, 'run'>, events: CellEvents, withinMs: number): Promise<void> {
    await this.ask('ping', { nonce: '' }, withinMs)
    this.events = events
  }

  welcome(seats: readonly Seat[]): void {
    for (const seat of seats) this.seats.set(seat.agent, seat)
    this.events.ready()
  }

  kill(why: string, ask?: 'ask'): void {
    if (this.ended) return
    if (ask === 'ask') this.events.did?.('stack', { lines: this.hung ? 3 : 0 })
    this.events.did?.('kill', {})
    if (!this.immortal) this.end('killed-by-us', why)
  }

  /** The process is gone. */
  end(cause: Parameters<CellEvents['gone']>[0]['cause'] = 'killed', detail = 'signal SIGKILL'): void {
    if (this.ended) return
    this.ended = true
    this.#world.living.delete(this)
    for (const lost of this.#sleeping) lost()
    const end = cause === 'exit' ? { code: 1, signal: null } : { code: null, signal: 'SIGKILL' }
    this.events.gone({ cause, detail, end })
  }

  /** The process is gone by its own doing, and left this behind. */
  endWith(witness: Witness): void {
    if (this.ended) return
    this.ended = true
    this.#world.living.delete(this)
    this.events.gone({ cause: 'killed', detail: 'signal SIGABRT', end: { code: null, signal: 'SIGABRT' }, witness })
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
  /** Time that a machine takes to fall asleep, and to wake. */
  sleepMs = 10
  /** Why an agent is not given away. */
  refusing: ((agent: string) => Code | null) | null = null
  /** Agents whose timer has come inside, each time. */
  readonly fired: string[] = []
  onRun: ((cell: FakeCell, run: Run) => void) | null = null
  onCancel: ((cell: FakeCell, what: { agent: string; attempt: string }) => void) | null = null
  #pid = 100
  /** Hosts that were started ahead. */
  readonly ahead: FakeCell[] = []
  /** Starts a host ahead of its agents; null where the kind cannot. */
  readonly standBy?: (plan: StandbyPlan, events: CellEvents) => Promise<Standby>

  constructor(clock: VirtualClock, canStandBy = false) {
    this.clock = clock
    if (!canStandBy) return
    this.standBy = async (plan, events) => {
      const cell = await this.start({ ...plan, run: { module: '' }, seats: [] }, events)
      this.ahead.push(cell)
      return cell
    }
  }

  async start(plan: CellPlan, events: CellEvents): Promise<FakeCell> {
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

/** Beds in memory that outlive a sitter; `harm` changes what lies in them. */
export class FakeBeds implements Beds {
  readonly files = new Map<string, Uint8Array>()
  /** Time that a file takes to be written. */
  putMs = 0
  full = false
  readonly #clock: VirtualClock
  constructor(clock: VirtualClock) {
    this.#clock = clock
  }
  get bytes(): number {
    return [...this.files.values()].reduce((sum, { length }) => sum + length, 0)
  }
  async put({ agent, snapshot }: Pick<Sleeper, 'agent' | 'snapshot'>): Promise<string> {
    if (this.full) throw failure('disk-full', 'no room')
    if (this.putMs > 0) await new Promise<void>((resolve) => void this.#clock.timer(this.putMs, resolve))
    this.files.set(agent, snapshot)
    return this.#hash(snapshot)
  }
  async get(agent: string, hash: string): Promise<Uint8Array> {
    const found = this.files.get(agent)
    if (found === undefined) throw new Error('its snapshot is not there')
    if (this.#hash(found) !== hash) throw new Error('its snapshot is damaged, or of another sleep')
    return found
  }
  async remove(agent: string): Promise<void> {
    this.files.delete(agent)
  }
  async keep(agents: ReadonlySet<string>): Promise<number> {
    const others = [...this.files.keys()].filter((agent) => !agents.has(agent))
    for (const agent of others) this.files.delete(agent)
    return others.length
  }
  #hash(bytes: Uint8Array): string {
    return Buffer.from(bytes).toString('hex')
  }
}
