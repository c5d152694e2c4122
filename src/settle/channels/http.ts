/**
 * The channel kind `http`: a payout is one JSON request that carries the settlement's key in a header; an outcome is
 * read from status and body. What the channel's lists do not name is unknown, never "failed".
 */
import type { CallOutcome, GrantedRequest } from '../../gatelink/gatelink.ts'
import type { Channel } from '../../model/model.ts'
import { formatAmount } from '../../std/std.ts'
import type { SettlementView } from '../../store/store.ts'

export type PayVerdict =
  | { readonly is: 'settled' | 'accepted'; readonly providerReference: string | null }
  | { readonly is: 'rejected'; readonly why: string; readonly providerReference: string | null }
  /** Bytes may have arrived; `closedMs` = wall time from which absence may be counted. */
  | { readonly is: 'unknown'; readonly why: string; readonly closedMs: number }
  /**
   * Proven not accepted. `counts`: the try is spent; `held`: the gate held it back, no request was made; `person`:
   * somebody must mend something first.
   */
  | {
      readonly is: 'not-sent'
      readonly why: string
      readonly retryAfterMs: number | null
      readonly counts: boolean
      readonly held: boolean
      readonly person: boolean
    }

export type QueryVerdict =
  | { readonly is: 'settled' | 'accepted'; readonly providerReference: string | null }
  | { readonly is: 'rejected'; readonly why: string; readonly providerReference: string | null }
  | { readonly is: 'absent' }
  | { readonly is: 'no-answer'; readonly why: string }
  /** Not asked, because everything is frozen. */
  | { readonly is: 'frozen'; readonly retryAfterMs: number }
  | { readonly is: 'not-offered'; readonly why: string }

type Values = Readonly<Record<string, string>>

/** What a request is made of: the same before a settlement is in the record and after. */
export type Payable = Pick<SettlementView, 'reference' | 'payee' | 'amountMinor' | 'currency' | 'memo' | 'providerKey'>

const valuesOf = (settlement: Payable): Values => ({
  reference: settlement.reference,
  payee: settlement.payee,
  amount: formatAmount(settlement.amountMinor, settlement.currency),
  currency: settlement.currency,
  memo: settlement.memo ?? '',
  key: settlement.providerKey,
})

const fill = (template: string, values: Values, encode: (value: string) => string): string =>
  template.replaceAll(/\{([a-z]+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? encode(values[name]!) : whole,
  )

/** The exact request of a payout; the same settlement always gives the same bytes. */
export const payRequest = (channel: Channel, settlement: Payable): GrantedRequest => {
  const values = valuesOf(settlement)
  const body = Object.fromEntries(
    Object.entries(channel.body).map(([field, template]) => [field, fill(template, values, (value) => value)]),
  )
  return {
    upstream: channel.upstream,
    method: channel.pay.method,
    path: fill(channel.pay.path, values, encodeURIComponent),
    headers: { 'content-type': 'application/json', [channel.keyHeader]: settlement.providerKey },
    body: JSON.stringify(body),
  }
}

/** Asks the provider what it knows under the settlement's key; undefined when the channel has no query. */
export const queryRequest = (channel: Channel, settlement: Payable): GrantedRequest | undefined => {
  if (channel.resolve?.by !== 'query') return undefined
  const path = fill(channel.resolve.path, valuesOf(settlement), encodeURIComponent)
  return {
    upstream: channel.upstream,
    method: channel.resolve.method,
    path,
    headers: { accept: 'application/json' },
    body: null,
  }
}

const parsed = (body: string): unknown => {
  // A body that is no JSON says nothing; the status has spoken already.
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const text = (value: unknown, field: string): string | null => {
  const found = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined
  return typeof found === 'string' && found !== '' ? found.slice(0, 200) : null
}

const whyRejected = (status: number, body: unknown): string =>
  [`the provider answered ${status}`, text(body, 'code'), text(body, 'message') ?? text(body, 'detail')]
    .filter((part) => part !== null)
    .join(': ')
    .slice(0, 300)

const isUnknown = (channel: Channel, status: number): boolean =>
  channel.outcome.unknown.some((one) => one === status || (one === '5xx' && status >= 500))

/** Answers that say "not now" or "not with this credential": the payment itself was not taken. */
const notNow = (status: number, headers: Values): PayVerdict | undefined => {
  if (status === 429) {
    const after = Number(headers['retry-after'])
    return {
      is: 'not-sent',
      why: 'the provider answered 429',
      retryAfterMs: Number.isFinite(after) ? after * 1_000 : null,
      counts: false,
      held: false,
      person: false,
    }
  }
  if (status === 401 || status === 403) {
    return {
      is: 'not-sent',
      why: `the provider answered ${status}: the credential is refused`,
      retryAfterMs: 60_000,
      counts: false,
      held: false,
      person: true,
    }
  }
  return undefined
}

/** Codes of the gate that pass by themselves or by a person's act; the others count as a try. */
const freeCodes = new Set([
  'limited',
  'budget-spent',
  'frozen',
  'breaker-open',
  'credential-unavailable',
  'mode-forbids',
  'gate-lost',
  'journal-failed',
])
const personCodes = new Set(['frozen', 'credential-unavailable', 'not-allowed', 'intent-required'])

/** Why a payment waits that the gate held back because everything is frozen; a thaw finds it by this. */
export const frozenWhy = 'the swarm is frozen: held back, it goes on with sitter thaw'
/** Where a thaw is not heard of, it is tried again. */
const askFrozenMs = 30_000

export const readPay = (channel: Channel, outcome: CallOutcome, nowMs: number): PayVerdict => {
  if (outcome.kind === 'lost') return { is: 'unknown', why: outcome.message, closedMs: outcome.closedMs }
  if (outcome.kind === 'not-sent') {
    const { code, message, retryAfterMs } = outcome
    return {
      is: 'not-sent',
      why: code === 'frozen' ? frozenWhy : message,
      retryAfterMs: retryAfterMs ?? (code === 'frozen' ? askFrozenMs : null),
      counts: !freeCodes.has(code),
      held: freeCodes.has(code),
      person: personCodes.has(code),
    }
  }
  const { status } = outcome
  const body = parsed(outcome.body)
  const providerReference = text(body, 'id')
  if (channel.outcome.accepted.includes(status))
    return { is: status === 202 ? 'accepted' : 'settled', providerReference }
  if (channel.outcome.rejected.includes(status))
    return { is: 'rejected', why: whyRejected(status, body), providerReference }
  if (isUnknown(channel, status)) return { is: 'unknown', why: `the provider answered ${status}`, closedMs: nowMs }
  return (
    notNow(status, outcome.headers) ?? {
      is: 'unknown',
      why: `the provider answered ${status}, which the channel does not name`,
      closedMs: nowMs,
    }
  )
}

const paidWords = new Set(['settled', 'succeeded', 'success', 'completed', 'paid'])
const refusedWords = new Set(['rejected', 'declined', 'failed', 'cancelled', 'denied'])

const readItem = (item: unknown): QueryVerdict => {
  const status = text(item, 'status')?.toLowerCase() ?? ''
  const providerReference = text(item, 'id')
  if (paidWords.has(status)) return { is: 'settled', providerReference }
  if (refusedWords.has(status)) return { is: 'rejected', why: `the provider says ${status}`, providerReference }
  return { is: 'accepted', providerReference }
}

/** A list is searched for this settlement's key (or reference); one object is taken as it is. */
const itemOf = (body: unknown, settlement: SettlementView): unknown => {
  const items = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)['items'] : undefined
  if (!Array.isArray(items)) return text(body, 'status') === null ? undefined : body
  return (
    items.find((item) => text(item, 'key') === settlement.providerKey) ??
    items.find((item) => text(item, 'key') === null && text(item, 'reference') === settlement.reference)
  )
}

export const readQuery = (outcome: CallOutcome, settlement: SettlementView): QueryVerdict => {
  if (outcome.kind === 'not-sent' && outcome.code === 'frozen')
    return { is: 'frozen', retryAfterMs: outcome.retryAfterMs ?? askFrozenMs }
  if (outcome.kind !== 'answered') return { is: 'no-answer', why: outcome.message }
  const { status } = outcome
  if (status === 404) return { is: 'absent' }
  if (status === 501 || status === 405 || status === 410)
    return { is: 'not-offered', why: `the provider answered ${status} to the query` }
  if (status !== 200) return { is: 'no-answer', why: `the provider answered ${status} to the query` }
  if (outcome.truncated) return { is: 'no-answer', why: 'the answer to the query was too long to be read whole' }
  const body = parsed(outcome.body)
  if (body === undefined) return { is: 'no-answer', why: 'the answer to the query was no JSON' }
  const item = itemOf(body, settlement)
  return item === undefined ? { is: 'absent' } : readItem(item)
}
