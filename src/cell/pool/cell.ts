/**
 * One pool cell as the sitter sees it.
 *
 *   spawned ─ connected ─ hello ─▶ ready ─▶ gone (told once: process ended)
 *      │           └─ stands by ─ load ─ hello, seats ─▶ ready          (a host that was started ahead of its agents)
 *      └──────── no hello in time, wrong protocol, link lost, flood, unread output, kill(): SIGKILL ──▶ gone
 */
import {
  assert,
  failure,
  type Clock,
  type Disk,
  type Effort,
  type Link,
  type Listening,
  type ProcessIdentity,
} from '../../std/std.ts'
import {
  checkHello,
  protocolVersion,
  toLine,
  type AsleepPart,
  type Frame,
  type Load,
  type Seat,
  type Welcome,
} from '../../wire/wire.ts'
import { Connection, errorAnswer, type Reply } from '../connection.ts'
import { startDeadline, type StartTime } from '../deadline.ts'
import { removeHome } from '../home.ts'
import type {
  CellEnd,
  CellEvents,
  CellPlan,
  EndStep,
  Sleeper,
  Standby,
  StandbyPlan,
  WalledEnd,
  Witness,
} from '../port.ts'
import { bedsideOf, wakeFrames, type Bedside } from '../vm/bedside.ts'
import { howOf, type WalledChild } from '../walls.ts'
import { mostFrames } from './evidence.ts'
import { readEvidence, testimony } from './testimony.ts'

/**
 * A dying process closes its socket before its end is seen; this long it may take before a closed link alone counts
 * as lost.
 */
const endAfterCloseMs = 1_000
/** A held loop prints where it is within a few ms; one that stands in native code, or was stopped, never does. */
const sayWithinMs = 300
/** What it printed before its end is read within this time after it. */
const readWithinMs = 100
/** What a process said last on stderr, kept for the story of its end; frames inside Node tell nothing. */
const innerFrame = /^\s*\d+: 0x|^\s+at .*node:internal/
const lastLines = { count: 12, characters: 400 } as const

export class PoolCell implements Standby {
  readonly id: string
  readonly #plan: StandbyPlan
  readonly #clock: Clock
  readonly #disk: Disk
  #events: CellEvents
  /** It was started ahead of its agents, and has not been told to load them. */
  #standsBy: boolean
  #seats: readonly Seat[] | undefined
  /** Answers the hello of a host whose seats are not known yet. */
  #hasHello: ((reply: Reply) => void) | undefined
  #start: StartTime | undefined
  /** It was told to load its agents. */
  #loading = false
  readonly #said: string[] = []
  #child: WalledChild | undefined
  #listening: Listening | undefined
  #connection: Connection | undefined
  #ready = false
  #over = false
  /** The first reason to end it; later ones follow from it. */
  #ending: { readonly cause: CellEnd['cause']; readonly why: string } | undefined
  #cancelTimer: () => void = () => {}
  /** What it has printed since it was made to say where its loop is; null when it was not. */
  #printed: string[] | null = null
  readonly #done = new Set<EndStep>()
  #outOfMemory = false
  readonly #bedside: Bedside

  constructor(plan: CellPlan | StandbyPlan, clock: Clock, disk: Disk, events: CellEvents) {
    this.id = plan.id
    this.#seats = 'seats' in plan ? plan.seats : undefined
    this.#standsBy = this.#seats === undefined
    this.#plan = plan
    this.#clock = clock
    this.#disk = disk
    this.#events = events
    this.#bedside = bedsideOf((method, params, withinMs) => this.ask(method, params, withinMs))
  }

  get identity(): ProcessIdentity {
    assert(this.#child !== undefined, 'a cell has an identity once its process runs')
    return this.#child.identity
  }

  get memoryBytes(): WalledChild['memoryBytes'] {
    return this.#child?.memoryBytes
  }

  get usage(): WalledChild['usage'] {
    return this.#child?.usage
  }

  get pendingBytes(): number {
    return this.#connection?.pendingBytes ?? 0
  }

  /** It has reached what it was started for. */
  get #isUp(): boolean {
    return this.#ready || (this.#standsBy && !this.#loading && this.#connection !== undefined)
  }

  begin(child: WalledChild, listening: Listening, start: StartTime): void {
    this.#child = child
    this.#listening = listening
    this.#start = start
    if (!this.#isUp) this.#awaitStart()
    void child.ended.then(async (end) => {
      // Its last words may still be on their way.
      if (this.#printed !== null || end.signal === 'SIGABRT') await this.#within(child.closed, readWithinMs)
      this.#ended(end)
    })
  }

  accept(link: Link): void {
    if (this.#connection !== undefined || this.#over) {
      link.onData(() => {
        /* read and dropped, so that the other side sees its end */
      })
      link.onClose(() => {})
      link.write(toLine(errorAnswer(null, failure('conflict', 'this cell is connected already'))))
      link.close()
      return
    }
    const connection = new Connection(link, this.#clock, {
      frame: (method, params, answer) => {
        if (this.#ready) this.#frame(method, params, answer)
        else this.#hello(connection, method, { params, answer })
      },
      refused: (code, detail) => this.#events.refused(code, detail),
      over: (why, cut) => this.#linkOver(why, cut),
    })
    this.#connection = connection
    if (!this.#standsBy) return
    this.#cancelTimer()
    this.#events.ready()
  }

  async load(what: Pick<CellPlan, 'run' | 'watched'>, events: CellEvents, withinMs: number): Promise<void> {
    const { module } = what.run
    assert(this.#standsBy && module !== undefined, 'a host that stands by loads one module, once')
    const params: Load = { module, ...(what.watched === true ? { watched: true } : {}) }
    this.#loading = true
    this.#awaitStart()
    await this.ask('load', params, withinMs)
    if (this.#over || this.#ending !== undefined) throw failure('cell-lost', `cell ${this.id} is gone`)
    this.#events = events
    this.#standsBy = false
  }

  welcome(seats: readonly Seat[]): void {
    this.#seats = seats
    this.#answerHello()
  }

  send(frames: readonly Frame[]): void {
    assert(this.#ready, 'frames are for cells that are ready')
    this.#connection?.send(frames)
  }

  ask(method: string, params: unknown, withinMs: number): Promise<unknown> {
    if (this.#connection === undefined || !(this.#ready || this.#standsBy))
      return Promise.reject(failure('cell-lost', `cell ${this.id} is not connected`))
    return this.#connection.asks.ask(method, params, withinMs)
  }

  sleep(agent: string, ask: { readonly withinMs: number; readonly leastMs: number }): Promise<Sleeper> {
    return this.#bedside.sleep(agent, ask)
  }

  wake(seat: Seat, snapshot: Uint8Array): void {
    this.send(wakeFrames(seat, snapshot))
  }

  kill(why: string, ask?: 'ask'): void {
    if (ask === undefined || this.#over || this.#printed !== null) return this.#kill('killed-by-us', why)
    this.#ending ??= { cause: 'killed-by-us', why }
    this.#printed = []
    this.#child?.kill('SIGINT')
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.timer(sayWithinMs, () => {
      this.#did('stack')
      this.#kill('killed-by-us', why)
    })
  }

  #did(step: EndStep): void {
    if (this.#done.has(step)) return
    this.#done.add(step)
    this.#events.did?.(step, step === 'stack' ? { lines: this.#printed?.length ?? 0 } : {})
  }

  line(stream: 'stdout' | 'stderr', text: string): void {
    if (stream === 'stderr') {
      if (text.includes('JavaScript heap out of memory')) this.#outOfMemory = true
      if (this.#printed !== null && this.#printed.length < 2 * mostFrames) this.#printed.push(text)
    }
    if (stream === 'stderr' && text.trim() !== '' && !innerFrame.test(text)) {
      this.#said.push(text.slice(0, lastLines.characters))
      if (this.#said.length > lastLines.count) this.#said.shift()
    }
    this.#events.line(stream, text)
  }

  #awaitStart(): void {
    assert(this.#start !== undefined, 'a start is awaited once its process runs')
    const { withinMs, effort, seesItself } = this.#start
    const what = this.#standsBy && !this.#loading ? 'connection' : 'hello'
    const seen = (): Effort | undefined => effort(this.usage?.().pid ?? this.identity.pid)
    this.#cancelTimer = startDeadline(this.#clock, { withinMs, effort: seen, seesItself }, () =>
      this.#kill('start-failed', `no ${what} within ${withinMs} ms`),
    )
  }

  #hello(
    connection: Connection,
    method: string,
    said: { readonly params: unknown; readonly answer: (reply: Reply) => void },
  ): void {
    const hello = checkHello(said.params)
    const wrong =
      method !== 'hello' || this.#hasHello !== undefined || (this.#standsBy && !this.#loading)
        ? `the first frame must be one hello, not ${method}`
        : !hello.ok
          ? `hello: ${hello.message}`
          : hello.value.protocol !== protocolVersion
            ? `it speaks protocol ${hello.value.protocol}, this sitter speaks ${protocolVersion}`
            : undefined
    if (wrong !== undefined) {
      said.answer({ error: failure('invalid', wrong) })
      this.#events.refused('invalid', wrong)
      connection.cut(wrong)
      return
    }
    this.#cancelTimer()
    this.#hasHello = said.answer
    this.#answerHello()
  }

  /** Once both are there: its hello, and the seats that it is welcomed with. */
  #answerHello(): void {
    if (this.#hasHello === undefined || this.#seats === undefined || this.#ready || this.#over) return
    const welcome: Welcome = { protocol: protocolVersion, sitter: 'swarmsitter', seats: this.#seats }
    this.#hasHello({ result: welcome })
    this.#ready = true
    this.#events.ready()
  }

  #frame(method: string, params: unknown, answer: (reply: Reply) => void): void {
    if (method === 'hello') answer({ error: failure('conflict', 'hello was said already') })
    else if (method === 'asleep.part') this.#bedside.part(params as AsleepPart)
    else this.#events.frame(method, params, answer)
  }

  #linkOver(why: string, cut: boolean): void {
    if (cut || this.#over) return this.#kill(this.#isUp ? 'link-lost' : 'start-failed', why)
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.timer(endAfterCloseMs, () => this.#kill('link-lost', why))
  }

  #kill(cause: CellEnd['cause'], why: string): void {
    if (this.#over) return
    this.#ending ??= { cause, why }
    if (this.#child === undefined) return
    this.#child.kill('SIGKILL')
    this.#did('kill')
  }

  #ended(end: WalledEnd): void {
    this.#over = true
    if (this.#printed !== null) this.#did('stack')
    this.#cancelTimer()
    const how = howOf(end)
    const cause = this.#ending?.cause ?? (!this.#isUp ? 'start-failed' : end.signal === null ? 'exit' : 'killed')
    const said =
      this.#ending?.cause === 'killed-by-us' || this.#said.length === 0
        ? ''
        : `; last it said: ${this.#said.join(' | ')}`
    const detail = `${this.#ending === undefined ? how : `${this.#ending.why} (${how})`}${said}`
    this.#connection?.cut(`cell ${this.id} is gone: ${how}`)
    const witness = this.#witness(end)
    this.#events.gone({
      cause,
      detail,
      end,
      ...(witness === undefined ? {} : { witness }),
      cleared: this.#clear(),
    })
  }

  #witness({ signal }: WalledEnd): Witness | undefined {
    const killed = this.#ending === undefined && signal === 'SIGKILL'
    const evidence = this.#child?.evidence
    return testimony({
      evidence: evidence === undefined ? readEvidence(this.#plan.directory) : evidence(),
      printed: this.#printed,
      outOfMemory: this.#outOfMemory || killed,
      nowMs: this.#clock.wallMs(),
    })
  }

  #within(work: Promise<unknown>, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.timer(withinMs, resolve)
      void work.then(() => {
        cancel()
        resolve()
      })
    })
  }

  async #clear(): Promise<string | null> {
    try {
      await this.#listening?.close()
      await removeHome(this.#disk, this.#plan)
      return null
    } catch (error) {
      return (error as Error).message
    }
  }
}
