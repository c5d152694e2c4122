/**
 * Whether a request is signed as Binance wants it: the key's id in a header, a timestamp of now, and HMAC-SHA256 of the
 * percent-encoded query and the body, without anything between them, as the last parameter.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** A client of the exchange. */
export interface Key {
  readonly id: string
  readonly secret: string
  /** Keys of one account share its weights. */
  readonly account: string
}
export interface Signed {
  /** Without `?`. */
  readonly query: string
  readonly body: string
  readonly keyId: string | undefined
}
/** A code of Binance's with its text. */
export interface Wrong {
  readonly status: 400 | 401
  readonly code: number
  readonly msg: string
}

const usualWindowMs = 5_000
const longestWindowMs = 60_000
/** A timestamp may be this far ahead. */
const aheadMs = 1_000

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))

/** The parameters before the signature, as they were sent. */
const unsigned = (text: string): { readonly rest: string; readonly signature: string | null } => {
  const found = /(?:^|&)signature=([^&]*)$/.exec(text)
  return found === null ? { rest: text, signature: null } : { rest: text.slice(0, found.index), signature: found[1]! }
}

const timeFault = (parameters: URLSearchParams, wallMs: number): Wrong | undefined => {
  const timestamp = Number(parameters.get('timestamp') ?? 'NaN')
  const windowMs = Number(parameters.get('recvWindow') ?? usualWindowMs)
  if (Number.isNaN(timestamp)) return { status: 400, code: -1102, msg: "Mandatory parameter 'timestamp' was not sent." }
  if (!(windowMs > 0 && windowMs <= longestWindowMs))
    return { status: 400, code: -1131, msg: 'recvWindow must be less than 60000.' }
  if (timestamp < wallMs + aheadMs && wallMs - timestamp <= windowMs) return undefined
  const msg =
    timestamp < wallMs
      ? 'Timestamp for this request is outside of the recvWindow.'
      : "Timestamp for this request was 1000ms ahead of the server's time."
  return { status: 400, code: -1021, msg }
}

/** Whose request it is, or what is wrong with it. */
export const checkSigned = (
  { query, body, keyId }: Signed,
  keys: ReadonlyMap<string, Key>,
  wallMs: number,
): { readonly key: Key } | Wrong => {
  const key = keyId === undefined ? undefined : keys.get(keyId)
  if (key === undefined) return { status: 401, code: -2015, msg: 'Invalid API-key, IP, or permissions for action.' }
  const { rest, signature } = unsigned(query)
  const hmac = createHmac('sha256', key.secret).update(rest + body)
  if (signature === null || !isSame(signature, hmac.digest('hex')))
    return { status: 400, code: -1022, msg: 'Signature for this request is not valid.' }
  return timeFault(new URLSearchParams(rest + (body === '' ? '' : `&${body}`)), wallMs) ?? { key }
}
