/**
 * What becomes of a settlement: the rules that keep money from being sent twice, one by one and over random histories.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nextSettlementState } from '../../src/model/model.ts'
import type { PayVerdict, QueryVerdict } from '../../src/settle/channels/http.ts'
import { afterPay, afterQuery, type Known, type Step } from '../../src/settle/decide.ts'
import { seeded } from '../../src/std/std.ts'
import { channel } from './channel.ts'

const random = seeded(1)
const known = (more: Partial<Known> = {}): Known => ({
  state: 'submitting',
  tries: 1,
  absences: 0,
  asked: 1,
  closedMs: 1_000,
  ...more,
})
const now = 100_000
const at = { channel, nowMs: now, random }

test('an accepted payout is settled and posted, a declined one rejected and voided', () => {
  expect(afterPay(known(), { is: 'settled', providerReference: 'p1' }, at)).toMatchObject({
    event: 'settle',
    ledger: 'post',
    providerReference: 'p1',
  })
  expect(afterPay(known(), { is: 'rejected', why: 'no', providerReference: null }, at)).toMatchObject({
    event: 'reject',
    ledger: 'void',
  })
})

test('a lost answer is unknown and asked about soon; without a way to ask it waits for a person', () => {
  const lost: PayVerdict = { is: 'unknown', why: 'cut', closedMs: now }
  expect(afterPay(known(), lost, at)).toMatchObject({ event: 'lose', ledger: null, person: false })
  expect(afterPay(known(), lost, { ...at, channel: { ...channel, resolve: null } })).toMatchObject({
    event: 'lose',
    person: true,
    nextMs: null,
  })
})

test('absence counts only absentAfter after the connection closed, and only the second time', () => {
  const absent: QueryVerdict = { is: 'absent' }
  const early = afterQuery(known({ state: 'unknown', closedMs: now - 59_999 }), absent, at)
  expect(early).toMatchObject({ event: null, absences: 0 })
  const first = afterQuery(known({ state: 'unknown', closedMs: now - 60_000 }), absent, at)
  expect(first).toMatchObject({ event: null, absences: 1 })
  expect(first.nextMs).toBeGreaterThan(now)
  expect(afterQuery(known({ state: 'unknown', closedMs: now - 61_000, absences: 1 }), absent, at)).toMatchObject({
    event: 'absent',
    nextMs: now,
  })
})

test('a question without an answer proves nothing and keeps what was proven', () => {
  expect(afterQuery(known({ state: 'unknown', absences: 1 }), { is: 'no-answer', why: '503' }, at)).toMatchObject({
    event: null,
    absences: 1,
  })
})

test('a provider that stops knowing what it had accepted makes a case for a person, never a second payment', () => {
  expect(afterQuery(known({ state: 'accepted', asked: 20 }), { is: 'absent' }, at)).toMatchObject({
    event: null,
    person: true,
  })
})

test('429 waits at least as long as it says and costs no try; refused connections spend tries and then fail, voided', () => {
  const limited = afterPay(
    known({ tries: 3 }),
    { is: 'not-sent', why: '429', retryAfterMs: 7_000, counts: false, held: false, person: false },
    at,
  )
  expect(limited).toMatchObject({ event: 'not-sent', ledger: null })
  expect(limited.nextMs).toBeGreaterThanOrEqual(now + 7_000)
  const spent = afterPay(
    known({ tries: 3 }),
    { is: 'not-sent', why: 'refused', retryAfterMs: null, counts: true, held: false, person: false },
    at,
  )
  expect(spent).toMatchObject({ event: 'not-sent', followedBy: 'give-up', ledger: 'void' })
})

test('a try under the same key while an older one is unknown never makes it "not sent"', () => {
  const step = afterPay(
    known({ state: 'unknown' }),
    { is: 'not-sent', why: 'refused', retryAfterMs: null, counts: true, held: false, person: false },
    { ...at, channel: { ...channel, resolve: { by: 'resend-same-key' } } },
  )
  expect(step).toMatchObject({ event: null, ledger: null })
})

const payVerdict: fc.Arbitrary<PayVerdict> = fc.oneof(
  fc.constantFrom<PayVerdict>(
    { is: 'settled', providerReference: null },
    { is: 'accepted', providerReference: null },
    { is: 'rejected', why: 'no', providerReference: null },
  ),
  fc.record({ is: fc.constant('unknown' as const), why: fc.constant('cut'), closedMs: fc.constant(0) }),
  fc.record({
    is: fc.constant('not-sent' as const),
    why: fc.constant('x'),
    retryAfterMs: fc.option(fc.nat(10_000)),
    counts: fc.boolean(),
    held: fc.boolean(),
    person: fc.boolean(),
  }),
)
const queryVerdict: fc.Arbitrary<QueryVerdict> = fc.constantFrom<QueryVerdict>(
  { is: 'settled', providerReference: null },
  { is: 'accepted', providerReference: null },
  { is: 'rejected', why: 'no', providerReference: null },
  { is: 'absent' },
  { is: 'no-answer', why: 'x' },
  { is: 'not-offered', why: 'x' },
)

test('every step that is ever taken is legal, and money is released or sent again only when that is proven', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('submitting' as const, 'unknown' as const, 'accepted' as const),
      fc.nat(5),
      fc.nat(3),
      fc.nat(20),
      fc.option(fc.nat(200_000)),
      fc.oneof(
        payVerdict.map((verdict) => ({ pay: verdict })),
        queryVerdict.map((verdict) => ({ query: verdict })),
      ),
      (state, tries, absences, asked, closedMs, { ...by }) => {
        const facts: Known = { state, tries, absences, asked, closedMs }
        const asksPay = 'pay' in by
        // Payment outcomes arrive in submitting (or, same key sent again, in unknown); queries are made of unknown and
        // accepted ones.
        if (asksPay ? state === 'accepted' : state === 'submitting') return
        const step: Step = 'pay' in by ? afterPay(facts, by.pay!, at) : afterQuery(facts, by.query!, at)
        const next = step.event === null ? state : nextSettlementState(state, step.event)
        expect(next).toBeDefined()
        if (step.followedBy !== undefined) expect(nextSettlementState(next!, step.followedBy)).toBeDefined()
        if (next === 'reserved')
          expect(state === 'submitting' || (absences > 0 && now >= (closedMs ?? now) + 60_000)).toBe(true)
        if (step.ledger === 'void') expect(step.event === 'reject' || step.followedBy === 'give-up').toBe(true)
        if (step.ledger === 'post') expect(step.event).toBe('settle')
        const ends = step.ledger !== null
        if (!ends) expect(step.nextMs !== null || step.person).toBe(true)
      },
    ),
    { numRuns: 5_000 },
  )
})
