/**
 * Who may come in, decided on the raw request before anything else looks at it. Order: form of the target, Host,
 * Origin, then the token. Only paths that are open byte for byte pass without a token, so that no two readers of a
 * path can disagree.
 */
import { Failure } from '../../std/std.ts'
import type { Identity, Principal } from './identity.ts'

export interface Knock {
  readonly method: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  /** Address that the connection came in on; another name for us when we listen on all of them. */
  readonly localAddress: string | undefined
  /** Whose connection it is, for counting guesses; undefined once the connection is gone. */
  readonly remoteAddress: string | undefined
}

export interface House {
  /** Lower-case names that are ours, IPv6 in brackets. */
  readonly names: ReadonlySet<string>
  readonly openPaths: ReadonlySet<string>
  readonly identity: Identity
}

export type Admission = { readonly principal: Principal | null } | { readonly refused: Failure }

const valuesOf = (rawHeaders: readonly string[], name: string): string[] => {
  const values: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() === name) values.push(rawHeaders[index + 1]!)
  }
  return values
}

const refuse = (code: 'wrong-host' | 'forbidden' | 'unauthorized', message: string): Admission => ({
  refused: new Failure(code, message),
})

/** `host[:port]` without its port, or undefined when it is neither a name, an IPv4 nor a bracketed IPv6 address. */
const hostName = (host: string): string | undefined =>
  /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?$/.exec(host)?.[1]

const addressName = (address: string | undefined): string | undefined => {
  if (address === undefined) return undefined
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address
  return bare.includes(':') ? `[${bare}]` : bare
}

const reads = new Set(['GET', 'HEAD'])

/** Undefined when the origin is fine. A page's write must say where it comes from; a program's need not. */
const originFault = (knock: Knock, host: string, bySession: boolean): string | undefined => {
  const origins = valuesOf(knock.rawHeaders, 'origin')
  if (origins.length > 1) return 'one Origin header at most'
  const origin = origins[0]?.toLowerCase()
  if (origin === undefined) {
    return bySession && !reads.has(knock.method) ? 'a write by a page needs its Origin header' : undefined
  }
  return origin === `http://${host}` || origin === `https://${host}`
    ? undefined
    : 'requests from another origin are refused'
}

/** Lets a request in as an actor (null = nobody, on an open path), or says why not. */
export const admit = (knock: Knock, house: House): Admission => {
  if (!knock.target.startsWith('/')) return refuse('wrong-host', 'the request target must begin with /')
  const hosts = valuesOf(knock.rawHeaders, 'host')
  const host = hosts.length === 1 ? hosts[0]!.toLowerCase() : undefined
  const name = host === undefined ? undefined : hostName(host)
  if (
    host === undefined ||
    name === undefined ||
    !(house.names.has(name) || name === addressName(knock.localAddress))
  ) {
    return refuse('wrong-host', 'the Host header names none of the names that this sitter listens on')
  }
  const authorizations = valuesOf(knock.rawHeaders, 'authorization')
  const cookies = valuesOf(knock.rawHeaders, 'cookie')
  const found =
    authorizations.length > 1
      ? undefined
      : house.identity.principalOf({
          authorization: authorizations[0],
          cookie: cookies.length === 0 ? undefined : cookies.join('; '),
          address: knock.remoteAddress ?? '',
        })
  const principal = found instanceof Failure ? undefined : found
  const fault = originFault(knock, host, principal?.bySession === true)
  if (fault !== undefined) return refuse('forbidden', fault)
  if (principal !== undefined) return { principal }
  const path = knock.target.split('?', 1)[0]!
  // An open path tells nothing about what was shown, so it stays open to whoever guesses.
  if (house.openPaths.has(path)) return { principal: null }
  if (found instanceof Failure) return { refused: found }
  return refuse('unauthorized', 'send `Authorization: Bearer <token>`; the token is in .sitter/run/operator.token')
}
