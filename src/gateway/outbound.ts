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
import { Pool } from 'undici'
import type { Clock } from '../std/std.ts'
import { mayConnect } from './address.ts'
import { mostHeaderBytes } from './framing.ts'
import { openPools } from './pools.ts'
import { beginExchange, type Ended, type Flow, type OutboundRequest, type Sink } from './exchange.ts'

/** Where an upstream is, and whether it may be connected to. */
export interface Guard {
  readonly url: URL
  /** Its host is an address that may not. */
  readonly forbidden: boolean
  /** For each connection: gives only addresses that may. */
  readonly lookup: LookupFunction
  /** Authorities of its own, in place of the world's. */
  readonly trusted: { readonly ca?: string }
}

export interface Outbound {
  readonly guard: Guard
  send(request: OutboundRequest, sink: Sink): Flow
  close(): Promise<void>
  /** Takes nothing more, and closes when what is under way has ended. */
  retire(): Promise<void>
}

/** More than a busy upstream needs; beyond it, calls wait inside the pool and count as not yet sent. */
const mostConnections = 512
const connectMs = 10_000

/** All addresses of a name; asked once for each connection. */
export type Resolve = (
  host: string,
  reply: (error: NodeJS.ErrnoException | null, found: readonly LookupAddress[]) => void,
) => void

const resolveBySystem: Resolve = (host, reply) => resolveName(host, { all: true }, reply)

type LookupFunction = (
  host: string,
  options: { readonly all?: boolean | undefined; readonly family?: unknown },
  reply: LookupReply,
) => void
type LookupReply = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** Resolves once and gives the connection only addresses that may be connected to. */
const checkedLookup =
  (port: number, grants: readonly string[], resolve: Resolve): LookupFunction =>
  (host, options, reply) => {
    resolve(host, (error, found) => {
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

type Granted = { readonly url: string; readonly grant: readonly string[]; readonly ca?: string | null }

/** An upstream's origin whose host is written as an address is checked here: no name is looked up for it. */
const guardOf = (rule: Granted, resolve: Resolve): Guard => {
  const url = new URL(rule.url)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const literal = /^(\d+\.\d+\.\d+\.\d+|\[.*\])$/.test(url.hostname) ? url.hostname.replace(/^\[|\]$/g, '') : undefined
  const forbidden = literal !== undefined && !mayConnect({ host: literal, address: literal, port }, rule.grant)
  const trusted = rule.ca == null ? {} : { ca: rule.ca }
  return { url, forbidden, lookup: checkedLookup(port, rule.grant, resolve), trusted }
}

export const openOutbound = (rule: Granted, clock: Clock, resolve: Resolve = resolveBySystem): Outbound => {
  const guard = guardOf(rule, resolve)
  const { url, forbidden, lookup, trusted } = guard
  const pools = openPools(clock, (identity) => {
    const own = identity === undefined ? {} : { cert: identity.certificate, key: identity.key }
    return new Pool(url.origin, {
      connections: mostConnections,
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: mostHeaderBytes,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4_000,
      connect: { timeout: connectMs, lookup, ...trusted, ...own } as NonNullable<Pool.Options['connect']>,
    })
  })
  const refusal: Ended = {
    kind: 'not-sent',
    code: 'EADDRFORBIDDEN',
    message: `${url.host} is a private address and is not granted`,
  }
  return {
    guard,
    send: (request, sink) =>
      forbidden
        ? { ended: Promise.resolve(refusal), resume: () => {}, abort: () => {} }
        : beginExchange(pools.of(request.identity), clock, request, sink),
    close: () => pools.end((pool) => pool.destroy()),
    retire: () => pools.end((pool) => pool.close()),
  }
}
