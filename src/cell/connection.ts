/**
 * The sitter's end of one connection from a cell. Whatever comes in is hostile until read: size, depth and rate are
 * bounded, what is refused is answered with a JSON-RPC error and told, and a sender that goes on is cut off.
 */
import { asFailure, failure, JsonText, type Clock, type Code, type Link } from '../std/std.ts'
import { bounds, lineReader, runLine, takenLine, type ErrorAnswer, type Frame, type Run } from '../wire/wire.ts'
import { askTable, type Asks } from './asks.ts'
import { flow, type Flow } from './flow.ts'
import { outbox, type Outbox } from './outbox.ts'

export type Reply = { readonly result: unknown } | { readonly error: unknown }

export interface ConnectionEvents {
  /** A request or notification within bounds. `answer` replies once; for a notification it does nothing. */
  frame(method: string, params: unknown, answer: (reply: Reply) => void): void
  refused(code: string, detail: string): void
  /** Called once: the other side closed, or was cut for `why`. */
  over(why: string, cut: boolean): void
}

/** After so many refused frames a sender is not going to get better. */
const mostRefused = 20
/** Unread output that ends a cell: it answers nothing while it grows. */
const mostPendingBytes = 8 * 1_048_576

/** JSON-RPC numbers of our refusals; everything else is a server error. */
const numbers: Readonly<Record<string, number>> = { 'frame-invalid': -32600, 'unknown-method': -32601, invalid: -32602 }

export const errorAnswer = (id: number | string | null, thrown: unknown): ErrorAnswer => {
  const error = asFailure(thrown)
  const retry = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }
  return {
    jsonrpc: '2.0',
    id,
    error: {
      code: numbers[error.code] ?? -32000,
      message: error.message,
      data: { code: error.code, kind: error.kind, ...retry },
    },
  }
}

const idOf = (value: unknown): number | string | undefined =>
  (typeof value === 'number' && Number.isFinite(value)) || (typeof value === 'string' && value.length <= 200)
    ? value
    : undefined

export class Connection {
  readonly asks: Asks
  readonly #link: Link
  readonly #clock: Clock
  readonly #events: ConnectionEvents
  readonly #out: Outbox
  readonly #flow: Flow
  #refused = 0
  #dropped = 0
  #over = false

  constructor(link: Link, clock: Clock, events: ConnectionEvents) {
    this.#link = link
    this.#clock = clock
    this.#events = events
    this.#out = outbox((text) => this.#write(text))
    this.asks = askTable(clock, (frame) => this.#out.put(frame))
    this.#flow = flow(clock.monoMs())
    const read = lineReader(bounds, {
      object: (frame) => this.#object(frame),
      refused: (code, detail) => this.#refuse(null, code, detail),
    })
    // What still lies in the buffer of a link that was cut is not read.
    link.onData((chunk) => {
      if (!this.#over) read(chunk)
    })
    link.onClose((cause) =>
      this.#end(
        cause === undefined ? 'the cell closed its connection' : `the connection broke: ${cause.message}`,
        false,
      ),
    )
  }

  get pendingBytes(): number {
    return this.#link.pendingBytes
  }

  send(frames: readonly Frame[]): void {
    let runs = 0
    for (const frame of frames) {
      if ('method' in frame && frame.method === 'run') {
        runs += 1
        this.#putRun(frame)
      } else this.#out.put(frame)
    }
    if (runs > 0) this.#flow.expect(runs)
  }

  #putRun(frame: Frame & { readonly method: string; readonly params: unknown }): void {
    const run = frame.params as Run
    if (run.payload instanceof JsonText) this.#out.putLine(runLine(run, run.payload))
    else this.#out.put(frame)
  }

  cut(why: string): void {
    this.#out.flush()
    this.#end(why, true)
    this.#link.close()
  }

  #end(why: string, cut: boolean): void {
    if (this.#over) return
    this.#over = true
    this.asks.lost(why)
    this.#events.over(why, cut)
  }

  #write(text: string): void {
    if (this.#over) return
    this.#link.write(text)
    const { pendingBytes } = this.#link
    if (pendingBytes > mostPendingBytes) this.cut(`it does not read: ${pendingBytes} bytes wait for it`)
  }

  #refuse(id: number | string | null, code: Code, detail: string): void {
    if (this.#over) return
    this.#refused += 1
    this.#answerError(id, code, detail)
    this.#events.refused(code, detail)
    if (this.#refused >= mostRefused)
      this.cut(`${mostRefused} of its frames were refused, the last with ${code}: ${detail}`)
  }

  #answerError(id: number | string | null, code: Code, detail: string): void {
    this.#out.put(errorAnswer(id, failure(code, detail, code === 'frame-flood' ? { retryAfterMs: 1_000 } : {})))
  }

  /** True when the frame may pass. A request that is dropped is told so: its sender waits for it. */
  #admitted(frame: Readonly<Record<string, unknown>>): boolean {
    const verdict = this.#flow.judge(this.#clock.monoMs())
    if (verdict === 'taken') return true
    this.#dropped += 1
    const id = idOf(frame['id'])
    const detail = `more than ${bounds.framesPerSecond} frames a second; ${this.#dropped} were dropped`
    if (id !== undefined && frame['method'] !== undefined) this.#answerError(id, 'frame-flood', detail)
    else if (verdict !== 'dropped') this.#answerError(null, 'frame-flood', detail)
    if (verdict !== 'dropped') this.#events.refused('frame-flood', detail)
    if (verdict === 'cut') this.cut(`it floods: ${detail}`)
    return false
  }

  #object(frame: Readonly<Record<string, unknown>>): void {
    if (this.#over || !this.#admitted(frame)) return
    const method = frame['method']
    const id = idOf(frame['id'])
    if (frame['jsonrpc'] !== '2.0') return this.#refuse(id ?? null, 'frame-invalid', 'jsonrpc: must be "2.0"')
    if (method === undefined && id !== undefined && ('result' in frame || 'error' in frame))
      return this.asks.answered(frame)
    if (typeof method !== 'string' || method.length > 100)
      return this.#refuse(id ?? null, 'frame-invalid', 'method: must be text of at most 100 characters')
    if (id === undefined && frame['id'] !== undefined)
      return this.#refuse(null, 'frame-invalid', 'id: must be a number or text of at most 200 characters')
    let answered = id === undefined
    const answer = (reply: Reply): void => {
      if (answered || this.#over) return
      answered = true
      if ('error' in reply) this.#out.put(errorAnswer(id!, reply.error))
      else if (reply.result === null || reply.result === undefined) this.#out.putLine(takenLine(id!))
      else this.#out.put({ jsonrpc: '2.0', id, result: reply.result })
    }
    try {
      this.#events.frame(method, frame['params'], answer)
    } catch (error) {
      answer({ error })
    }
  }
}
