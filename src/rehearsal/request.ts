/**
 * Reads what clients send, within bounds: the idempotency key and the payout. Whatever is off is told, as text for a
 * 400 or 413.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { canonicalJson, Failure, parseAmount } from '../std/std.ts'

const mostBytes = 16_384

export interface Refusal {
  readonly status: 400 | 413 | 415
  readonly why: string
}
export interface Payout {
  readonly reference: string
  readonly payee: string
  readonly amount: string
  readonly currency: string
  readonly hash: string
}

export const isRefusal = (value: object): value is Refusal => 'why' in value

/** The body as text; refused beyond 16 KiB, when encoded, and when it is no UTF-8. */
export const readBody = async (request: IncomingMessage): Promise<{ readonly text: string } | Refusal> => {
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity')
    return { status: 415, why: 'encoded bodies are not taken' }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBytes) return { status: 413, why: `a body is at most ${mostBytes} bytes` }
    chunks.push(chunk)
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)) }
  } catch {
    return { status: 400, why: 'the body is no UTF-8' }
  }
}

export const readJson = (text: string): { readonly value: unknown } | Refusal => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return { status: 400, why: 'the body is no JSON' }
  }
}

/** The header's value when it stands once and is 1 to 255 visible ASCII characters. */
export const readKey = (request: IncomingMessage): string | undefined => {
  const given = request.rawHeaders.filter(
    (_, index) => index % 2 === 1 && request.rawHeaders[index - 1]!.toLowerCase() === 'idempotency-key',
  )
  return given.length === 1 && isKey(given[0]!) ? given[0] : undefined
}
export const isKey = (text: string): boolean => /^[\x21-\x7e]{1,255}$/.test(text)

const fields = ['reference', 'payee', 'amount', 'currency', 'memo']
const isText = (value: unknown): value is string => typeof value === 'string' && /^[^\p{Cc}\p{Cs}]{1,140}$/u.test(value)

/**
 * A payout `{reference, payee, amount, currency, memo?}`: text of 1 to 140 characters each, the amount of its currency
 * and over zero.
 */
export const readPayout = (value: unknown): Payout | Refusal => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { status: 400, why: 'a payout is an object' }
  const stranger = Object.keys(value).find((key) => !fields.includes(key))
  if (stranger !== undefined) return { status: 400, why: `a payout has no ${JSON.stringify(stranger.slice(0, 40))}` }
  const { reference, payee, amount, currency, memo } = value as Record<string, unknown>
  if (!isText(reference) || !isText(payee) || !isText(amount) || !isText(currency)) {
    return {
      status: 400,
      why: 'reference, payee, amount and currency are text of 1 to 140 characters without control characters',
    }
  }
  if (memo !== undefined && (typeof memo !== 'string' || memo.length > 140))
    return { status: 400, why: 'memo is text of at most 140 characters' }
  try {
    if (parseAmount(amount, currency).minor === 0n) return { status: 400, why: 'the amount is zero' }
  } catch (error) {
    return { status: 400, why: error instanceof Failure ? error.message : String(error) }
  }
  return { reference, payee, amount, currency, hash: createHash('sha256').update(canonicalJson(value)).digest('hex') }
}
