/**
 * What the bank does with a payout request: a pure function of what it knows, its faults and the request. provider.ts
 * does the deed.
 */
import type { Book, Payment } from './book.ts'
import { declines, draw, faultOf, type FaultShares } from './faults.ts'
import type { Line } from './log.ts'
import type { Payout } from './request.ts'

export type Answer = {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}
export interface Decision {
  readonly line: Omit<Line, 'at'>
  /** `cut` destroys the connection instead of answering; either happens only after the line is durable. */
  readonly deed: Answer | 'cut'
  readonly delayMs: number
}
export interface PayoutRequest {
  readonly key: string
  readonly payout: Payout
  readonly number: number
  readonly atMs: number
}
export interface Bank {
  readonly book: Book
  readonly seed: number
  readonly name: string
  readonly faults: FaultShares
}

/** A late payment shows as pending for this long. */
export const lateMs = 2_000

export const problem = (status: number, code: string, message: string, headers?: Answer['headers']): Answer => ({
  status,
  body: { error: { code, message } },
  ...(headers === undefined ? {} : { headers }),
})

export const showPayment = (payment: Payment, nowMs: number): Record<string, string> => ({
  id: payment.id,
  status: payment.status === 'pending' && nowMs - payment.atMs >= lateMs ? 'settled' : payment.status,
  reference: payment.reference,
  amount: payment.amount,
  currency: payment.currency,
  key: payment.key,
})

/** The answer to the request that made the payment, and to every later one with its key: always the same. */
const answerFor = (payment: Payment, headers: Answer['headers']): Answer => {
  if (payment.status === 'declined')
    return problem(422, 'payee-account-closed', `the payee of ${payment.reference} cannot be paid`, headers)
  const body = showPayment(payment, payment.atMs)
  return { status: payment.status === 'pending' ? 202 : 201, body, ...(headers && { headers }) }
}

const known = (payment: Payment, request: PayoutRequest, facts: Omit<Line, 'at' | 'kind'>): Decision => {
  if (payment.bodyHash === request.payout.hash) {
    return {
      line: { ...facts, kind: 'replayed', id: payment.id },
      deed: answerFor(payment, { 'idempotent-replayed': 'true' }),
      delayMs: 0,
    }
  }
  const deed = problem(409, 'key-reused', 'this idempotency key stands for another payout')
  return { line: { ...facts, kind: 'conflict', id: payment.id }, deed, delayMs: 0 }
}

export const decide = (bank: Bank, request: PayoutRequest): Decision => {
  const { book, seed, faults } = bank
  const {
    key,
    payout: { hash, ...payout },
    number,
    atMs,
  } = request
  const facts = { request: number, key, ...payout }
  const before = book.byKey(key)
  if (before) return known(before, request, facts)
  const tries = book.triesOf(key)
  const fault = faultOf(faults, { seed, key, number: tries + 1 })
  if (fault === 'limited') {
    const deed = problem(429, 'too-many-requests', 'the bank is busy', { 'retry-after': '1' })
    return { line: { ...facts, kind: 'limited', fault }, deed, delayMs: 0 }
  }
  if (fault === 'error') {
    const status = draw(seed, 'status', key, tries + 1) < 0.5 ? 500 : 503
    const line = { ...facts, kind: 'error', fault, detail: String(status) } as const
    return { line, deed: problem(status, 'internal', 'the bank failed'), delayMs: 0 }
  }
  if (fault === 'cutBeforeAccept') {
    return { line: { ...facts, kind: 'cut-before-accept', fault }, deed: 'cut', delayMs: 0 }
  }
  const declined = book.isDeclined(payout.reference) || declines(faults, seed, payout.reference)
  const status = declined ? 'declined' : fault === 'late' ? 'pending' : 'settled'
  const payment: Payment = {
    ...payout,
    id: `${bank.name}-${String(number).padStart(8, '0')}`,
    key,
    bodyHash: hash,
    status,
    atMs,
  }
  return {
    line: {
      ...facts,
      kind: declined ? 'declined' : 'accepted',
      id: payment.id,
      bodyHash: hash,
      status,
      ...(fault === undefined ? {} : { fault }),
    },
    deed: fault === 'acceptThenCut' ? 'cut' : answerFor(payment, undefined),
    delayMs: fault === 'slow' ? 300 + Math.floor(draw(seed, 'slow', key, tries + 1) * 1_200) : 0,
  }
}
