/**
 * A host of agents as a program of its own that speaks the wire: it says hello, takes seats, answers challenges, works,
 * and has the bad habits of its seed. It is no SDK on purpose: what agents in any language may get wrong, it gets wrong,
 * above all an old self that still tells its result.
 */
import { lineReader, toLine, type Run, type Seat } from '../../src/wire/wire.ts'
import { between, type Link } from '../../src/std/std.ts'
import type { WorldProcess } from '../worlds/timeline.ts'
import type { History } from './machine.ts'
import type { End, WorldNet } from './net.ts'
import type { Weather } from './weather.ts'
import { workOn, type Working } from './working.ts'

export interface HostAsk {
  readonly env: Readonly<Record<string, string>>
  readonly process: WorldProcess
  readonly net: WorldNet
  readonly weather: Weather
  readonly history: History
  ill(why: string, lasts?: 'for-good' | 'just-now'): void
  exit(code: number): void
}

type Params = Readonly<Record<string, unknown>>
export type Answered = (answer: { readonly result?: unknown; readonly error?: Params }) => void

const bounds = { frameBytes: 1024 * 1024, jsonDepth: 70 }

export class Host {
  readonly ask: HostAsk
  /** Agents that live here, with their epochs. */
  readonly seats = new Map<string, number>()
  /** Attempts in hand by agent. */
  readonly open = new Map<string, Working>()
  link: Link | undefined
  #end: End | undefined
  #nextId = 1
  readonly #waiting = new Map<number, Answered>()
  #drain: (() => void) | undefined

  constructor(ask: HostAsk) {
    this.ask = ask
    const { weather, process } = ask
    const slow = weather.chance(10)
    if (slow) ask.ill('starts slowly')
    const barred = [...weather.barred].some((type) => ask.env['SITTER_MODULE']?.includes(type))
    if (barred || weather.chance(10)) process.clock.timer(5, () => ask.exit(78))
    else process.clock.timer(slow ? 25_000 : between(weather.random, 30, 400), () => void this.#connect())
  }

  get isEmpty(): boolean {
    return this.seats.size === 0
  }
  get seatCount(): number {
    return this.seats.size
  }

  async #connect(): Promise<void> {
    const { net, process, env } = this.ask
    let link: End
    try {
      link = await net.connect(process, env['SITTER_SOCKET']!)
    } catch {
      return this.ask.exit(69)
    }
    this.link = link
    this.#end = link
    link.onClose(() => this.#sitterGone())
    link.onData(lineReader(bounds, { object: (frame) => this.#frame(frame), refused: () => this.ask.exit(70) }))
    if (env['SITTER_STANDBY'] === undefined) this.#hello()
  }

  /** The socket ended: a good host ends too; a bad one goes on for a while, and says its results to nobody. */
  #sitterGone(): void {
    const { weather, process } = this.ask
    this.ask.ill('its link is gone')
    process.clock.timer(weather.chance(200) ? 60_000 : 2, () => this.ask.exit(69))
  }

  #hello(): void {
    const hello = { protocol: 1, agents: [], tasks: [], version: '1', open: [] }
    this.request('hello', hello, ({ result, error }) => {
      if (error !== undefined) return this.ask.exit(70)
      for (const seat of (result as { seats: readonly Seat[] }).seats) this.#seat(seat)
    })
  }

  request(method: string, params: object, answered: Answered): void {
    const id = this.#nextId++
    this.#waiting.set(id, answered)
    this.link?.write(toLine({ jsonrpc: '2.0', id, method, params }))
  }
  notify(method: string, params: object): void {
    this.link?.write(toLine({ jsonrpc: '2.0', method, params }))
  }
  #answer(id: unknown, result: unknown): void {
    this.link?.write(toLine({ jsonrpc: '2.0', id, result }))
  }

  #frame(frame: Params): void {
    const { id, method } = frame
    const params = frame['params'] as Params
    if (typeof method !== 'string') {
      const answered = this.#waiting.get(id as number)
      this.#waiting.delete(id as number)
      answered?.(frame)
    } else if (id !== undefined) this.#asked(id, method, params)
    else this.#told(method, params)
  }

  #asked(id: unknown, method: string, params: Params): void {
    if (method === 'ping') {
      // The loop has other things to do before it answers: some ten ms of running time.
      this.ask.process.timeline.at(this.ask.process.timeline.monoMs + between(this.ask.weather.random, 1, 60), {
        owner: this.ask.process,
        kind: 'arrival',
        fire: () => this.#pong(id, params),
      })
    } else if (method === 'load') {
      this.#answer(id, null)
      this.ask.process.clock.timer(between(this.ask.weather.random, 5, 100), () => this.#hello())
    } else if (method === 'drain') {
      this.#drain = () => {
        if (this.open.size === 0) this.#answer(id, { open: [] })
      }
      this.#drain()
    }
  }

  #pong(id: unknown, params: Params): void {
    const open = [...this.open.values()].map(({ run }) => ({ agent: run.agent, attempt: run.attempt }))
    this.#answer(id, { nonce: params['nonce'], agents: [...this.seats.keys()].toSorted(), open })
  }

  #told(method: string, params: Params): void {
    if (method === 'seat') for (const seat of params['seats'] as readonly Seat[]) this.#seat(seat)
    else if (method === 'unseat') for (const agent of params['agents'] as readonly string[]) this.#unseat(agent)
    else if (method === 'run') this.#run(params as unknown as Run)
    else if (method === 'cancel') this.#cancel(params as { agent: string; attempt: string })
  }

  #seat({ agent, epoch }: Seat): void {
    const before = this.seats.get(agent)
    if (before !== undefined && before >= epoch) return
    this.drop(agent)
    this.seats.set(agent, epoch)
    this.ask.history.mates.seated(agent, epoch, this.ask.process.timeline.monoMs)
    this.ask.history.dependants.seated(agent)
    this.doom(agent)
  }
  /** The agent ends the whole cell, if it is one that does. */
  doom(agent: string): void {
    const { weather, process } = this.ask
    if (!weather.killers.has(agent)) return
    process.clock.timer(between(weather.random, 100, 20_000), () => {
      if (weather.killers.has(agent) && this.seats.has(agent)) this.ask.exit(134)
    })
  }
  typeIs(type: string): boolean {
    return [...this.seats.keys()].some((agent) => agent.startsWith(`${type}/`))
  }
  #unseat(agent: string): void {
    this.drop(agent)
    this.seats.delete(agent)
  }
  #run(run: Run): void {
    const epoch = this.seats.get(run.agent)
    if (epoch === undefined) {
      const error = { name: 'Error', message: 'nobody', code: 'not-your-agent', kind: 'transient' }
      return this.request('fail', { agent: run.agent, attempt: run.attempt, error }, () => {})
    }
    this.drop(run.agent)
    this.open.set(run.agent, workOn(this, run))
  }
  #cancel({ agent, attempt }: { agent: string; attempt: string }): void {
    const working = this.open.get(agent)
    if (working?.run.attempt === attempt) working.cancel()
  }

  /** What the agent has in hand is over for it; its old self may still have a word to say. */
  drop(agent: string): void {
    this.open.get(agent)?.leave()
    this.open.delete(agent)
    this.#drain?.()
  }
  /** The link breaks: both sides see it. */
  cut(): void {
    this.#end?.cut(new Error('read ECONNRESET'))
  }
  /** The agent is gone from here, without a word. */
  vanish(agent: string): void {
    this.drop(agent)
    this.seats.delete(agent)
  }
}
