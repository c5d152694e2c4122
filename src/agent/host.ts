/**
 * The agents of one process and their talk with the sitter: seats come and go, runs become attempts, a challenge is
 * answered from this process's own loop with the agents that live in it now. Free of I/O: socket, clock and gate are
 * given by the process.
 */
import {
  protocolVersion,
  type CancelRun,
  type Drain,
  type Hello,
  type Log,
  type Ping,
  type Pong,
  type Rest,
  type Run,
  type Seat,
  type SeatChange,
  type Unseat,
  type Welcome,
} from '../wire/wire.ts'
import { Park } from './errors.ts'
import { Fibre } from './fibre.ts'
import { paces, type Pace } from './pace.ts'
import type { HostPorts } from './ports.ts'
import { requestTable, type Requests } from './requests.ts'
import { plainRunner, type Runner } from './runner.ts'
import { TaskFailure } from './task-failure.ts'

/** The part of a host that its process sees. `owner` is what `within` was given, or undefined. */
export interface AgentHost {
  /** Says hello and takes the seats. Rejects with what the sitter answered. */
  hello(version: string): Promise<void>
  /** Takes a frame from the sitter. */
  frame(frame: Readonly<Record<string, unknown>>): void
  /** An error that no promise of an attempt carries. False when it belongs to no agent. */
  stray(owner: unknown, error: unknown): boolean
  /** A line that an agent printed. False when it belongs to no agent. */
  printed(owner: unknown, level: Log['level'], text: string): boolean
  /** The agent that `within` was given; undefined when it is none. */
  nameOf(owner: unknown): string | undefined
}

type Params = Readonly<Record<string, unknown>>

/** Requests of the table begin at 1. */
const helloId = 0

class Host implements AgentHost {
  readonly #runner: Runner
  readonly #ports: HostPorts
  readonly #requests: Requests
  readonly #newPace: (nowMs: number) => Pace
  readonly #fibres = new Map<string, Fibre>()
  readonly #drains: (() => void)[] = []
  /** Resolves with null, or with why the sitter does not welcome this process. */
  readonly #welcomed = Promise.withResolvers<string | null>()
  #draining = false

  constructor(runner: Runner, ports: HostPorts) {
    this.#runner = runner
    this.#ports = ports
    this.#requests = requestTable(ports)
    this.#newPace = paces(ports.clock.monoMs())
  }

  async hello(version: string): Promise<void> {
    const { tasks } = this.#runner
    const params: Hello = { protocol: protocolVersion, agents: [], tasks, version, open: [] }
    this.#ports.send({ jsonrpc: '2.0', id: helloId, method: 'hello', params })
    const refusal = await this.#welcomed.promise
    if (refusal !== null) throw new Error(refusal)
  }

  frame(frame: Params): void {
    const method = frame['method']
    if (typeof method !== 'string') {
      if (frame['id'] === helloId) this.#welcome(frame)
      else this.#requests.answered(frame)
    } else if (frame['id'] === undefined) this.#notified(method, frame['params'])
    else this.#asked(frame['id'], method, frame['params'])
  }

  stray(owner: unknown, error: unknown): boolean {
    if (!(owner instanceof Fibre)) return false
    // A park that the task did not await is remembered by its attempt already.
    if (!(error instanceof Park)) owner.broken(error)
    this.#forget(owner)
    return true
  }

  printed(owner: unknown, level: Log['level'], text: string): boolean {
    if (!(owner instanceof Fibre)) return false
    owner.log(level, text)
    return true
  }

  nameOf(owner: unknown): string | undefined {
    return owner instanceof Fibre ? owner.agent : undefined
  }

  /** At once, not when a promise continues: the next line of the same chunk may already be work for these seats. */
  #welcome(frame: Params): void {
    const error = frame['error'] as { readonly message: string } | undefined
    if (error === undefined) for (const seat of (frame['result'] as Welcome).seats) this.#seat(seat)
    this.#welcomed.resolve(error?.message ?? null)
  }

  #seat(seat: Seat): void {
    const before = this.#fibres.get(seat.agent)
    if (before !== undefined && !before.gone) {
      if (before.seat.epoch >= seat.epoch) return
      before.end(`${seat.agent} was restarted`)
    }
    const fibre = this.#newFibre(seat)
    this.#fibres.set(seat.agent, fibre)
    fibre.start()
  }

  #newFibre(seat: Seat): Fibre {
    return new Fibre(seat, {
      runner: this.#runner,
      ports: this.#ports,
      requests: this.#requests,
      pace: this.#newPace(this.#ports.clock.monoMs()),
      free: () => this.#drained(),
    })
  }

  async #unseat(agent: string): Promise<void> {
    const fibre = this.#fibres.get(agent)
    if (fibre === undefined) return
    await fibre.leave(`${agent} was unseated`)
    this.#forget(fibre)
  }

  #forget(fibre: Fibre): void {
    if (fibre.gone && this.#fibres.get(fibre.agent) === fibre) this.#fibres.delete(fibre.agent)
  }

  #run(run: Run): void {
    const fibre = this.#fibres.get(run.agent)
    if (fibre === undefined || fibre.gone) {
      const nobody = this.#newFibre({ agent: run.agent, epoch: 0, mode: 'parked', config: {} })
      nobody.refuse(run, `${run.agent} does not live in this cell`, 'not-your-agent')
    } else if (this.#draining) fibre.refuse(run, 'this cell is draining', 'overloaded')
    else fibre.run(run)
  }

  #notified(method: string, params: unknown): void {
    if (method === 'run') this.#run(params as Run)
    else if (method === 'seat') (params as SeatChange).seats.forEach((seat) => this.#seat(seat))
    else if (method === 'unseat') (params as Unseat).agents.forEach((agent) => void this.#unseat(agent))
    else if (method === 'cancel') {
      const { agent, attempt, reason } = params as CancelRun
      this.#fibres.get(agent)?.cancel(attempt, reason)
    }
    // A notification that this version does not know is for a later one.
  }

  #asked(id: unknown, method: string, params: unknown): void {
    const answer = (result: object): void => {
      this.#ports.send({ jsonrpc: '2.0', id, result })
    }
    if (method === 'ping') answer(this.#pong((params as Ping).nonce))
    else if (method === 'drain') void this.#drain((params as Drain).withinMs).then(answer)
    else if (method === 'sleep' || method === 'wake') {
      const refuse = (error: unknown): void => {
        const { message, code = 'invalid' } = error as { readonly message: string; readonly code?: string }
        this.#ports.send({ jsonrpc: '2.0', id, error: { code: -32000, message, data: { code, kind: 'refused' } } })
      }
      this.#rest(params as Rest, method).then(answer, refuse)
    } else {
      const data = { code: 'unknown-method', kind: 'refused' }
      this.#ports.send({ jsonrpc: '2.0', id, error: { code: -32601, message: `a cell has no method ${method}`, data } })
    }
  }

  async #rest(how: Rest, verb: 'sleep' | 'wake'): Promise<object> {
    const { agent } = how
    const fibre = this.#fibres.get(agent)
    if (fibre === undefined) throw new TaskFailure(`${agent} does not live in this cell`, { code: 'not-your-agent' })
    const rested = await fibre.rest(verb, how)
    this.#forget(fibre)
    return rested
  }

  #pong(nonce: string): Pong {
    const agents = [...this.#fibres.values()]
      .filter((fibre) => fibre.live)
      .map((fibre) => fibre.agent)
      .toSorted()
    return { nonce, agents, open: this.#open() }
  }

  #open(): Pong['open'] {
    return [...this.#fibres.values()].flatMap(({ agent, inHand }) => inHand.map((attempt) => ({ agent, attempt })))
  }

  /** No new work; waits for the attempts in hand, then gives up what is left and lets every agent leave. */
  async #drain(withinMs: number): Promise<object> {
    this.#draining = true
    await new Promise<void>((resolve) => {
      this.#drains.push(resolve)
      this.#ports.clock.timer(withinMs, resolve)
      this.#drained()
    })
    const open = this.#open()
    await Promise.all([...this.#fibres.values()].map((fibre) => fibre.leave('this cell is draining')))
    return { open }
  }

  #drained(): void {
    if (!this.#draining || this.#open().length > 0) return
    for (const done of this.#drains.splice(0)) done()
  }
}

/** The host of agents, whatever they are made of. */
export const hostOf = (runner: Runner, ports: HostPorts): AgentHost => new Host(runner, ports)

/** Makes the host of a module's agents. @throws when the module exports no agent. */
export const agentHost = (module: Params, path: string, ports: HostPorts): AgentHost =>
  hostOf(plainRunner(module, path), ports)
