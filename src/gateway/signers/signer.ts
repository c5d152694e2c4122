/**
 * What a signer is: a pure function from a request and a secret to the request as it goes out. It is asked anew for
 * each attempt, so times and nonces are those of the sending.
 */
import { failure } from '../../std/std.ts'
import type { HeaderPairs } from '../headers.ts'
import type { Fault } from './form.ts'

export interface ToSign {
  readonly method: string
  readonly path: string
  /** With its `?`, or empty; percent-encoded as it will be sent. */
  readonly query: string
  readonly host: string
  readonly headers: HeaderPairs
  /** The whole body; null = none. A body that streams is gathered before a signer that needs it is asked. */
  readonly body: string | null
  /** The upstream's wall clock, as far as its answers have told. */
  readonly nowMs: number
}
/** With what a connection is opened. */
export interface ClientIdentity {
  /** PEM: its own certificate first. */
  readonly certificate: string
  readonly key: string
}
export interface Signed {
  readonly query: string
  /** Added to the request. */
  readonly headers: HeaderPairs
  /** What must not come back. */
  readonly secrets: readonly string[]
  /** It goes over a connection of this identity alone. */
  readonly identity?: ClientIdentity
}
export interface Signer {
  /** Whether the whole body must be known before the head is written. */
  readonly needsBody: boolean
  /** What its secret looks like, for people. */
  readonly form: string
  /** What is wrong with a secret that is to be kept. */
  fault(secret: string): Fault
  /**
   * What it says itself, in lower case: of a program that signs by itself, with a placeholder, this is left out. An
   * `authorization` goes no further anyway.
   */
  readonly own?: { readonly parameters?: readonly string[]; readonly headers?: readonly string[] }
  /** When the secret ends by what stands in it, wall ms of the calendar; null = it does not say. */
  readonly endsMs?: (secret: string) => number | null
  /** @throws Failure `credential-unavailable` when the secret has not its form, `invalid` when the request has not. */
  sign(request: ToSign, secret: string): Signed
}

/** The two parts of `first:second`. */
export const partsOf = (secret: string, what: string): readonly [string, string] => {
  const at = secret.indexOf(':')
  if (at < 1 || at === secret.length - 1)
    throw failure('credential-unavailable', `its secret has not the form ${what}: sitter vault set`)
  return [secret.slice(0, at), secret.slice(at + 1)]
}

/** Adds parameters to a query of either form. */
export const withParameters = (query: string, added: readonly (readonly [string, string])[]): string => {
  const text = added.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  if (text === '') return query
  return query === '' || query === '?' ? `?${text}` : `${query}&${text}`
}

/** Names of the parameters of a query or of a form body. */
export const parameterNames = (text: string): readonly string[] =>
  text
    .replace(/^\?/, '')
    .split('&')
    .map((pair) => pair.split('=', 1)[0]!)
