/** Cells that answer like the pool, and do as a test tells them. */
import type { CellEvents, CellKind, CellPlan, Standby, StandbyPlan, Witness } from '../../src/cell/cell.ts'
import { Failure } from '../../src/std/std.ts'
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

  async load(_what: Pick<CellPlan, 'run'>, events: CellEvents, withinMs: number): Promise<void> {
    await this.ask('ping', { nonce: '' }, withinMs)
    this.events = events
  }

  welcome(seats: readonly Seat[]): void {
    for (const seat of seats) this.seats.set(seat.agent, seat)
    this.events.ready()
  }

  kill(why: string): void {
    if (!this.immortal) this.end('killed-by-us', why)
  }

  /** The process is gone. */
  end(cause: Parameters<CellEvents['gone']>[0]['cause'] = 'killed', detail = 'signal SIGKILL'): void {
    if (this.ended) return
    this.ended = true
    this.#world.living.delete(this)
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
