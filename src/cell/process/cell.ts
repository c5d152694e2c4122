/**
 * One command agent as the sitter sees it: a program with a socket, which may connect anew while it lives.
 *
 *   spawned ─ connected ─ hello ─▶ ready ⇄ away (10 s to connect again)
 *      └──── no hello in time, wrong hello, garbage, flood, away for too long, kill(): SIGKILL to its group ──▶ gone
 *
 * What is sent while it is away waits for its next hello. What was on the way when its link ended may be lost: the
 * fleet challenges it after each hello and compares.
 */
import {
  assert,
  failure,
  sleep,
  type Clock,
  type Disk,
  type Effort,
  type Link,
  type Listening,
  type ProcessIdentity,
} from '../../std/std.ts'
import { checkHello, protocolVersion, toLine, type Frame, type Welcome } from '../../wire/wire.ts'
import { Connection, errorAnswer, type Reply } from '../connection.ts'
import { startDeadline, type StartTime } from '../deadline.ts'
import { removeHome } from '../home.ts'
import type { CellEnd, CellEvents, CellPlan, HousedCell, WalledEnd } from '../port.ts'
import { howOf, type WalledChild, type Walls } from '../walls.ts'

/** The time a program has to connect again before it counts as lost. */
export const awayMs = 10_000
/** A program's link and its end are seen in any order; what its end tells is the better story. */
const mostWaiting = 1_000
/** After a drain, the time between SIGTERM and the end by force. */
const termMs = 1_000
/** What it said last on stderr, kept for the story of its end. */
const lastLines = { count: 12, characters: 400 } as const

/** What is wrong with a hello, or undefined. A program names the agent it is told to be, or none. */
export const wrongHello = (method: string, params: unknown, agents: readonly string[]): string | undefined => {
  if (method !== 'hello') return `the first frame must be hello, not ${method}`
  const hello = checkHello(params)
  if (!hello.ok) return `hello: ${hello.message}`
  const { protocol, agents: said } = hello.value
  if (protocol !== protocolVersion) return `it speaks protocol ${protocol}, this sitter speaks ${protocolVersion}`
  const strange = said.find((agent) => !agents.includes(agent))
  if (strange === undefined) return undefined
  return `hello: agents: ${strange} does not live here; say [] or ${JSON.stringify(agents)}`
}

export class ProcessCell implements HousedCell {
  readonly id: string
  readonly #plan: CellPlan
  readonly #clock: Clock
  readonly #disk: Disk
  readonly #walls: Walls
  readonly #events: CellEvents
  readonly #said: string[] = []
  #child: WalledChild | undefined
  #listening: Listening | undefined
  #connection: Connection | undefined
  /** Its present connection has said hello. */
  #greeted = false
  #ready = false
  #over = false
  #waiting: Frame[] = []
  readonly #signalled = new Set<string>()
  #ending: { readonly cause: CellEnd['cause']; readonly why: string } | undefined
  #cancelTimer: () => void = () => {}

  constructor(
    plan: CellPlan,
    { clock, disk, walls }: { readonly clock: Clock; readonly disk: Disk; readonly walls: Walls },
    events: CellEvents,
  ) {
    this.id = plan.id
    this.#plan = plan
    this.#clock = clock
    this.#disk = disk
    this.#walls = walls
    this.#events = events
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

  begin(child: WalledChild, listening: Listening, start: StartTime): void {
    this.#child = child
    this.#listening = listening
    if (!this.#ready) this.#awaitStart(start)
    void child.ended.then((end) => this.#ended(end))
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
        if (!this.#greeted) this.#hello(connection, method, { params, answer })
        else if (method === 'hello') answer({ error: failure('conflict', 'hello was said already') })
        else this.#events.frame(method, params, answer)
      },
      refused: (code, detail) => this.#events.refused(code, detail),
      over: (why, cut) => this.#linkOver(why, cut),
    })
    this.#connection = connection
  }

  send(frames: readonly Frame[]): void {
    if (this.#greeted) return this.#connection?.send(frames)
    this.#waiting.push(...frames)
    if (this.#waiting.length > mostWaiting) this.#kill('link-lost', `it is away while ${mostWaiting} frames wait`)
  }

  async ask(method: string, params: unknown, withinMs: number): Promise<unknown> {
    if (this.#connection === undefined || !this.#greeted) throw failure('cell-lost', `cell ${this.id} is not connected`)
    const asked = this.#connection.asks.ask(method, params, withinMs)
    return method === 'drain' ? this.#drain(asked) : asked
  }

  /** With `ask` it is told to end first: what it has to tidy up takes a second at most. */
  kill(why: string, ask?: 'ask'): void {
    if (ask === undefined || this.#over || this.#ending !== undefined) return this.#kill('killed-by-us', why)
    this.#ending = { cause: 'killed-by-us', why }
    this.#signal('SIGTERM')
    this.#give(termMs, 'killed-by-us', why)
  }

  line(stream: 'stdout' | 'stderr', text: string): void {
    if (stream === 'stderr' && text.trim() !== '') {
      this.#said.push(text.slice(0, lastLines.characters))
      if (this.#said.length > lastLines.count) this.#said.shift()
    }
    this.#events.line(stream, text)
  }

  /** After its own word that it is drained (or none): SIGTERM, so that it can tidy up; the end by force follows. */
  async #drain(asked: Promise<unknown>): Promise<unknown> {
    const answer = await asked.catch((error: unknown) => error)
    this.#child?.killGroup('SIGTERM')
    await Promise.race([this.#child?.ended, sleep(this.#clock, termMs)])
    if (answer instanceof Error) throw answer
    return answer
  }

  #hello(
    connection: Connection,
    method: string,
    said: { readonly params: unknown; readonly answer: (reply: Reply) => void },
  ): void {
    const { seats } = this.#plan
    const wrong = wrongHello(
      method,
      said.params,
      seats.map((seat) => seat.agent),
    )
    if (wrong !== undefined) {
      said.answer({ error: failure('invalid', wrong) })
      this.#events.refused('invalid', wrong)
      connection.cut(wrong)
      return
    }
    const welcome: Welcome = { protocol: protocolVersion, sitter: 'swarmsitter', seats }
    said.answer({ result: welcome })
    this.#greeted = true
    this.#ready = true
    this.#cancelTimer()
    connection.send(this.#waiting)
    this.#waiting = []
    this.#events.ready()
  }

  #linkOver(why: string, cut: boolean): void {
    this.#connection = undefined
    this.#greeted = false
    if (this.#over) return
    if (cut) return this.#kill(this.#ready ? 'link-lost' : 'start-failed', why)
    if (this.#ready) this.#give(awayMs, 'link-lost', `${why} and did not connect again within ${awayMs} ms`)
  }

  #awaitStart({ withinMs, effort, seesItself }: StartTime): void {
    const seen = (): Effort | undefined => effort(this.usage?.().pid ?? this.identity.pid)
    this.#cancelTimer = startDeadline(this.#clock, { withinMs, effort: seen, seesItself }, () =>
      this.#kill('start-failed', `no hello within ${withinMs} ms`),
    )
  }

  /** Kills it after this time, unless a hello comes first. */
  #give(timeMs: number, cause: CellEnd['cause'], why: string): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.timer(timeMs, () => this.#kill(cause, why))
  }

  #kill(cause: CellEnd['cause'], why: string): void {
    if (this.#over) return
    this.#ending ??= { cause, why }
    this.#signal('SIGKILL')
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#child === undefined) return
    this.#child.killGroup(signal)
    if (this.#signalled.has(signal)) return
    this.#signalled.add(signal)
    this.#events.did?.(signal === 'SIGTERM' ? 'term' : 'kill', {})
  }

  async #ended(end: WalledEnd): Promise<void> {
    this.#over = true
    this.#cancelTimer()
    const cause = this.#ending?.cause ?? (!this.#ready ? 'start-failed' : end.signal === null ? 'exit' : 'killed')
    const said =
      this.#ending?.cause === 'killed-by-us' || this.#said.length === 0
        ? ''
        : `; last it said: ${this.#said.join(' | ')}`
    this.#connection?.cut(`cell ${this.id} is gone: ${howOf(end)}`)
    await this.#listening?.close()
    let left = ''
    try {
      await this.#walls.close()
      await removeHome(this.#disk, this.#plan)
    } catch (error) {
      left = `; something of it stays: ${(error as Error).message}`
    }
    const how = this.#ending === undefined ? howOf(end) : `${this.#ending.why} (${howOf(end)})`
    this.#events.gone({ cause, detail: `${how}${said}${left}`, end })
  }
}
