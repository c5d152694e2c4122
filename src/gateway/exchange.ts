/**
 * One request and its answer on the wire.
 *
 *   handed over ── connection free ──▶ started ── head ──▶ answering ── end ──▶ answered
 *        └─ any failure: not sent        └───── any failure: lost ─────┘
 *
 * What is heard of answers is told at the end of the turn, of all exchanges together (groups.ts).
 */
import type { Readable } from 'node:stream'
import type { Dispatcher, Pool } from 'undici'
import { asFailure, type Cancel, type Clock } from '../std/std.ts'
import { gatherMoment, gatherTurn } from './groups.ts'
import type { HeaderPairs } from './headers.ts'
import type { ClientIdentity } from './signers/signers.ts'

export interface OutboundRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: HeaderPairs
  readonly body: string | Readable | null
  /** With what its connection is to be opened. */
  readonly identity?: ClientIdentity | undefined
  /** Bound of the whole exchange up to the answer's head, and of each silence within its body. */
  readonly timeoutMs: number
}
/** Of a request that was kept back in the last moment. */
export const notNowCode = 'not-now'

export interface Sink {
  /** Asked in the last moment before the first byte: why it must not go out now, undefined = it may. */
  notNow?(): string | undefined
  /** The request is about to be written. */
  started(): void
  head(status: number, headers: HeaderPairs): void
  /** False: no more until `Flow.resume`. */
  data(chunk: Buffer): boolean
}
export type Ended =
  | { readonly kind: 'answered' }
  | { readonly kind: 'not-sent' | 'lost'; readonly code: string; readonly message: string }

export interface Flow {
  readonly ended: Promise<Ended>
  resume(): void
  /** Ends the exchange: `answered` when the caller has all it wants, else not sent or lost, whichever is true. */
  abort(why: 'enough' | 'given-up'): void
}
const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? 'failed'

const pairs = (headers: Readonly<Record<string, string | readonly string[] | undefined>>): HeaderPairs => {
  const all: (readonly [string, string])[] = []
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string') all.push([name, value])
    else for (const one of value ?? []) all.push([name, one])
  }
  return all
}

/** So much of an answer is heard in one turn; more waits in its connection until that was told. */
const mostHeardBytes = 262_144

interface Head {
  readonly status: number
  readonly headers: Parameters<typeof pairs>[0]
}

class Exchange implements Flow {
  readonly ended: Promise<Ended>
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #sink: Sink
  readonly #settle: (ended: Ended) => void
  #controller: Dispatcher.DispatchController | undefined
  #started = false
  #headed = false
  #over = false
  /** In its order, and not told yet. */
  #heard: (Head | Buffer | Ended)[] = []
  #heardBytes = 0
  /** When the exchange began, or last got on. */
  #heardMs: number
  #cancel: Cancel

  constructor(clock: Clock, timeoutMs: number, sink: Sink) {
    const { promise, resolve } = Promise.withResolvers<Ended>()
    this.ended = promise
    this.#settle = resolve
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#sink = sink
    this.#heardMs = clock.monoMs()
    this.#cancel = clock.timer(timeoutMs, () => this.#look())
  }

  send(pool: Pool, { method, target, headers, body }: OutboundRequest): void {
    if (this.#over) return
    const options = { method, path: target, body, headers: headers.flat() as string[], idempotent: false }
    try {
      pool.dispatch({ ...options, blocking: false }, this.#handler())
    } catch (error) {
      this.#fail(codeOf(error as Error), (error as Error).message)
    }
  }

  resume(): void {
    if (this.#over) return
    this.#alive()
    this.#controller?.resume()
  }

  abort(why: 'enough' | 'given-up'): void {
    const last = this.#heard.at(-1)
    // What was heard to its end has that end, whoever is gone.
    if (last !== undefined && 'kind' in last) this.tell()
    else if (why === 'enough') this.#end({ kind: 'answered' })
    else this.#fail('given-up', 'the exchange was given up by this side')
    this.#controller?.abort(new Error(why))
  }

  /** Tells what was heard since it was last asked. */
  tell(): void {
    const heard = this.#heard
    const isMuch = this.#heardBytes > mostHeardBytes
    this.#heard = []
    this.#heardBytes = 0
    let isTaken = true
    try {
      for (const one of heard) {
        if (this.#over) return
        if (Buffer.isBuffer(one)) isTaken = this.#sink.data(one) && isTaken
        else if ('status' in one) this.#sink.head(one.status, pairs(one.headers))
        else this.#end(one)
      }
      // Its connection may be another one's by now.
      if (this.#over) return
      // A receiver that is slower than the timeout is as bad as a silent upstream: the timer goes on while paused.
      if (!isTaken) this.#controller?.pause()
      else if (isMuch) this.#controller?.resume()
    } catch (error) {
      // Whatever is wrong with this answer is no reason for the others of the turn to wait.
      this.#fail('failed', asFailure(error).message)
      this.#controller?.abort(asFailure(error))
    }
  }

  #handler(): Dispatcher.DispatchHandler {
    return {
      onRequestStart: (controller) => this.#start(controller),
      onResponseStart: (_controller, status, headers) => {
        if (status < 200) return
        this.#headed = true
        this.#hear({ status, headers })
      },
      onResponseData: (controller, chunk) => {
        this.#heardBytes += chunk.length
        if (this.#heardBytes > mostHeardBytes) controller.pause()
        this.#hear(chunk)
      },
      onResponseEnd: () => {
        if (this.#headed) this.#hear({ kind: 'answered' })
        else this.#hear(this.#failed('no-answer', 'it ended before it said anything'))
      },
      onResponseError: (_controller, error) => this.#hear(this.#failed(codeOf(error), error.message)),
    }
  }

  #hear(what: Head | Buffer | Ended): void {
    if (this.#over) return
    this.#alive()
    if (this.#heard.push(what) === 1) toTell(this)
  }

  #start(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Throwing here keeps undici from writing: the exchange is over already, or this is a second start.
    if (this.#over) throw new Error('this exchange is over')
    if (this.#started) {
      this.#fail('reset', 'the connection was reset after the request had been sent')
      throw new Error('a request is sent once')
    }
    const notNow = this.#sink.notNow?.()
    if (notNow !== undefined) {
      this.#fail(notNowCode, notNow)
      throw new Error(notNow)
    }
    this.#started = true
    this.#sink.started()
  }

  #alive(): void {
    this.#heardMs = this.#clock.monoMs()
  }

  /** One timer an exchange, set again for what is left when it comes due: most are over long before. */
  #look(): void {
    const leftMs = this.#heardMs + this.#timeoutMs - this.#clock.monoMs()
    if (leftMs > 0) this.#cancel = this.#clock.timer(leftMs, () => this.#look())
    else this.#late()
  }

  #late(): void {
    this.#fail('timed-out', `nothing was heard for ${this.#timeoutMs} ms`)
    this.#controller?.abort(new Error('timed out'))
  }

  #failed(code: string, message: string): Ended {
    return { kind: this.#started ? 'lost' : 'not-sent', code, message }
  }

  #fail(code: string, message: string): void {
    this.#end(this.#failed(code, message))
  }

  #end(ended: Ended): void {
    if (this.#over) return
    this.#over = true
    this.#cancel()
    this.#settle(ended)
  }
}

const toTell = gatherTurn((exchange: Exchange) => exchange.tell())
const toSend = gatherMoment((send: () => void) => send())

/** Hands the request to the pool; never throws, every failure is told by `ended`. */
export const beginExchange = (pool: Pool, clock: Clock, request: OutboundRequest, sink: Sink): Flow => {
  const exchange = new Exchange(clock, request.timeoutMs, sink)
  toSend(() => exchange.send(pool, request))
  return exchange
}
