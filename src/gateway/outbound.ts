/**
 * The wire to one upstream: a pool of connections pinned to its origin. No redirect is followed, nothing is retried,
 * HTTP/1.1 only, one request at a time on a connection.
 *
 * What makes `not-sent` a proof: undici calls `onRequestStart` right before it writes a request to an open
 * connection. As long as it has not, no byte of this request has left, whatever the error was. Once it has, every
 * failure is `lost`; and a second start (undici putting a request back into its queue after a reset) is stopped
 * there, because nothing is ever sent twice.
 */
import { lookup as resolveName, type LookupAddress } from 'node:dns'
import type { Readable } from 'node:stream'
import { Pool, type Dispatcher } from 'undici'
import type { Clock } from '../std/std.ts'
import { mayConnect } from './address.ts'
import type { HeaderPairs } from './headers.ts'

export interface OutboundRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: HeaderPairs
  readonly body: string | Readable | null
  /** Bound of the whole exchange up to the answer's head, and of each silence within its body. */
  readonly timeoutMs: number
}
export interface Sink {
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
export interface Outbound {
  send(request: OutboundRequest, sink: Sink): Flow
  close(): Promise<void>
}

/** More than a busy upstream needs; beyond it, calls wait inside the pool and count as not yet sent. */
const mostConnections = 512
const connectMs = 10_000

type LookupReply = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** Resolves once and gives the connection only addresses that may be connected to. */
const checkedLookup =
  (port: number, grants: readonly string[]) =>
  (
    host: string,
    options: { readonly all?: boolean | undefined; readonly family?: unknown },
    reply: LookupReply,
  ): void => {
    resolveName(host, { all: true }, (error, found) => {
      if (error) return reply(error, '')
      const fine = found.filter(({ address }) => mayConnect({ host, address, port }, grants))
      const first = fine[0]
      if (first === undefined) {
        return reply(
          Object.assign(new Error(`${host} stands for no address that may be connected to`), {
            code: 'EADDRFORBIDDEN',
          }),
          '',
        )
      }
      if (options.all) reply(null, fine)
      else reply(null, first.address, first.family)
    })
  }

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? 'failed'

const pairs = (headers: Readonly<Record<string, string | readonly string[] | undefined>>): HeaderPairs =>
  Object.entries(headers).flatMap(([name, value]) =>
    value === undefined
      ? []
      : Array.isArray(value)
        ? value.map((one: string) => [name, one] as const)
        : [[name, value as string] as const],
  )

/** An upstream's origin whose host is written as an address is checked here: no name is looked up for it. */
export const openOutbound = (
  rule: { readonly url: string; readonly grant: readonly string[] },
  clock: Clock,
): Outbound => {
  const url = new URL(rule.url)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const literal = /^(\d+\.\d+\.\d+\.\d+|\[.*\])$/.test(url.hostname) ? url.hostname.replace(/^\[|\]$/g, '') : undefined
  const forbidden = literal !== undefined && !mayConnect({ host: literal, address: literal, port }, rule.grant)
  const pool = new Pool(url.origin, {
    connections: mostConnections,
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: 16_384,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
    connect: { timeout: connectMs, lookup: checkedLookup(port, rule.grant) } as NonNullable<Pool.Options['connect']>,
  })
  const refusal: Ended = {
    kind: 'not-sent',
    code: 'EADDRFORBIDDEN',
    message: `${url.host} is a private address and is not granted`,
  }
  return {
    send: (request, sink) =>
      forbidden
        ? { ended: Promise.resolve(refusal), resume: () => {}, abort: () => {} }
        : exchange(pool, clock, request, sink),
    close: () => pool.destroy(),
  }
}

const exchange = (pool: Pool, clock: Clock, request: OutboundRequest, sink: Sink): Flow => {
  let controller: Dispatcher.DispatchController | undefined
  let started = false
  let over = false
  let settle!: (ended: Ended) => void
  const ended = new Promise<Ended>((resolve) => {
    settle = resolve
  })
  const endWith = (result: Ended): void => {
    if (over) return
    over = true
    cancel()
    settle(result)
  }
  const failed = (code: string, message: string): void =>
    endWith({ kind: started ? 'lost' : 'not-sent', code, message })
  const late = (): void => {
    failed('timed-out', `no answer within ${request.timeoutMs} ms`)
    controller?.abort(new Error('timed out'))
  }
  let cancel = clock.timer(request.timeoutMs, late)
  const alive = (): void => {
    cancel()
    if (!over) cancel = clock.timer(request.timeoutMs, late)
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (given) => {
      controller = given
      // Throwing here keeps undici from writing: the exchange is over already, or this is a second start.
      if (over) throw new Error('this exchange is over')
      if (started) {
        failed('reset', 'the connection was reset after the request had been sent')
        throw new Error('a request is sent once')
      }
      started = true
      sink.started()
    },
    onResponseStart: (_given, status, headers) => {
      if (over || status < 200) return
      alive()
      sink.head(status, pairs(headers))
    },
    onResponseData: (given, chunk) => {
      if (over) return
      alive()
      if (!sink.data(chunk)) {
        cancel()
        given.pause()
      }
    },
    onResponseEnd: () => endWith({ kind: 'answered' }),
    onResponseError: (_given, error) => failed(codeOf(error), error.message),
  }
  try {
    pool.dispatch(
      {
        method: request.method,
        path: request.target,
        body: request.body,
        headers: request.headers.flat() as string[],
        idempotent: false,
        blocking: false,
      },
      handler,
    )
  } catch (error) {
    failed(codeOf(error as Error), (error as Error).message)
  }

  return {
    ended,
    resume: () => {
      if (!over) {
        alive()
        controller?.resume()
      }
    },
    abort: (why) => {
      if (why === 'enough') endWith({ kind: 'answered' })
      else failed('given-up', 'the exchange was given up by this side')
      controller?.abort(new Error(why))
    },
  }
}
