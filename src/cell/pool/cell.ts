/**
 * One pool cell as the sitter sees it.
 *
 *   spawned ─ connected ─ hello ─▶ ready ─▶ gone (told once: process ended)
 *      └──────── no hello in time, wrong protocol, link lost, flood, unread output, kill(): SIGKILL ──▶ gone
 */
import {
  assert,
  failure,
  type Clock,
  type Disk,
  type Link,
  type Listening,
  type ProcessIdentity,
} from '../../std/std.ts'
import { checkHello, protocolVersion, toLine, type Frame, type Welcome } from '../../wire/wire.ts'
import { Connection, errorAnswer, type Reply } from '../connection.ts'
import { removeHome } from '../home.ts'
import type { CellEnd, CellEvents, CellPlan, HousedCell, WalledEnd } from '../port.ts'
import { howOf, type WalledChild } from '../walls.ts'

/**
 * A dying process closes its socket before its end is seen; this long it may take before a closed link alone counts
 * as lost.
 */
const endAfterCloseMs = 1_000
/** What a process said last on stderr, kept for the story of its end; frames inside Node tell nothing. */
const innerFrame = /^\s*\d+: 0x|^\s+at .*node:internal/
const lastLines = { count: 12, characters: 400 } as const

export class PoolCell implements HousedCell {
  readonly id: string
  readonly #plan: CellPlan
  readonly #clock: Clock
  readonly #disk: Disk
  readonly #events: CellEvents
  readonly #said: string[] = []
  #child: WalledChild | undefined
  #listening: Listening | undefined
  #connection: Connection | undefined
  #ready = false
  #over = false
  /** The first reason to end it; later ones follow from it. */
  #ending: { readonly cause: CellEnd['cause']; readonly why: string } | undefined
  #cancelTimer: () => void = () => {}

  constructor(plan: CellPlan, clock: Clock, disk: Disk, events: CellEvents) {
    this.id = plan.id
    this.#plan = plan
    this.#clock = clock
    this.#disk = disk
    this.#events = events
  }

  get identity(): ProcessIdentity {
    assert(this.#child !== undefined, 'a cell has an identity once its process runs')
    return this.#child.identity
  }

  get memoryBytes(): WalledChild['memoryBytes'] {
    return this.#child?.memoryBytes
  }

  get pendingBytes(): number {
    return this.#connection?.pendingBytes ?? 0
  }

  begin(child: WalledChild, listening: Listening, startWithinMs: number): void {
    this.#child = child
    this.#listening = listening
    if (!this.#ready)
      this.#cancelTimer = this.#clock.timer(startWithinMs, () =>
        this.#kill('start-failed', `no hello within ${startWithinMs} ms`),
      )
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
        if (this.#ready) this.#frame(method, params, answer)
        else this.#hello(connection, method, { params, answer })
      },
      refused: (code, detail) => this.#events.refused(code, detail),
      over: (why, cut) => this.#linkOver(why, cut),
    })
    this.#connection = connection
  }

  send(frames: readonly Frame[]): void {
    assert(this.#ready, 'frames are for cells that are ready')
    this.#connection?.send(frames)
  }

  ask(method: string, params: unknown, withinMs: number): Promise<unknown> {
    if (this.#connection === undefined || !this.#ready)
      return Promise.reject(failure('cell-lost', `cell ${this.id} is not connected`))
    return this.#connection.asks.ask(method, params, withinMs)
  }

  kill(why: string): void {
    this.#kill('killed-by-us', why)
  }

  line(stream: 'stdout' | 'stderr', text: string): void {
    if (stream === 'stderr' && text.trim() !== '' && !innerFrame.test(text)) {
      this.#said.push(text.slice(0, lastLines.characters))
      if (this.#said.length > lastLines.count) this.#said.shift()
    }
    this.#events.line(stream, text)
  }

  #hello(
    connection: Connection,
    method: string,
    said: { readonly params: unknown; readonly answer: (reply: Reply) => void },
  ): void {
    const hello = checkHello(said.params)
    const wrong =
      method !== 'hello'
        ? `the first frame must be hello, not ${method}`
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
    const welcome: Welcome = { protocol: protocolVersion, sitter: 'swarmsitter', seats: this.#plan.seats }
    said.answer({ result: welcome })
    this.#ready = true
    this.#cancelTimer()
    this.#events.ready()
  }

  #frame(method: string, params: unknown, answer: (reply: Reply) => void): void {
    if (method === 'hello') answer({ error: failure('conflict', 'hello was said already') })
    else this.#events.frame(method, params, answer)
  }

  #linkOver(why: string, cut: boolean): void {
    if (cut || this.#over) return this.#kill(this.#ready ? 'link-lost' : 'start-failed', why)
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.timer(endAfterCloseMs, () => this.#kill('link-lost', why))
  }

  #kill(cause: CellEnd['cause'], why: string): void {
    if (this.#over) return
    this.#ending ??= { cause, why }
    this.#child?.kill('SIGKILL')
  }

  async #ended(end: WalledEnd): Promise<void> {
    this.#over = true
    this.#cancelTimer()
    const how = howOf(end)
    const cause = this.#ending?.cause ?? (!this.#ready ? 'start-failed' : end.signal === null ? 'exit' : 'killed')
    const said =
      this.#ending?.cause === 'killed-by-us' || this.#said.length === 0
        ? ''
        : `; last it said: ${this.#said.join(' | ')}`
    let detail = `${this.#ending === undefined ? how : `${this.#ending.why} (${how})`}${said}`
    this.#connection?.cut(`cell ${this.id} is gone: ${how}`)
    await this.#listening?.close()
    try {
      await removeHome(this.#disk, this.#plan)
    } catch (error) {
      detail += `; its directory stays: ${(error as Error).message}`
    }
    this.#events.gone({ cause, detail, end })
  }
}
