/**
 * Failures as RFC 9457 problem documents. A bug tells its caller nothing but the id of the request: message, stack and
 * cause stay in the sitter.
 */
import { codes, type Failure } from '../../std/std.ts'
import type { Problem } from '../api.ts'

export interface Refused {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Problem
}

/** The problem of a failure, its status from the registry of codes, and the headers that belong to it. */
export const problemOf = (failure: Failure, request: string): Refused => {
  const { kind, status } = codes[failure.code]
  const bug = kind === 'bug'
  const body: Problem = {
    type: `urn:swarmsitter:error:${failure.code}`,
    title: failure.code.replaceAll('-', ' '),
    status,
    code: failure.code,
    detail: bug ? 'the sitter has a fault here; the event door.fault with this request id says more' : failure.message,
    facts: bug ? { request } : { ...failure.facts, request },
  }
  return { status, headers: headersOf(failure, status), body }
}

const headersOf = (failure: Failure, status: number): Record<string, string> => {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="swarmsitter"'
  const waits = failure.retryAfterMs ?? (status === 503 || status === 429 ? 1_000 : undefined)
  if (waits !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(waits / 1_000)))
  // What is left of a refused body is not read: the connection ends with the answer.
  if (status === 413) headers['connection'] = 'close'
  if (typeof failure.facts['allow'] === 'string') headers['allow'] = failure.facts['allow']
  return headers
}

/**
 * On every answer of this door: nothing is framed, sniffed, referred to or loaded from elsewhere; no inline script or
 * style.
 */
export const safety: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not no-referrer: under it a browser sends `Origin: null` with our own form, which is refused.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
