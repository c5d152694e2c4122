/**
 * What becomes of a settlement: pure decisions of (state, verdict, channel, now, chance).
 *
 * The one rule behind all others: money is sent again only when it is proven that it was not taken, or under the same
 * key at a provider that promises to know the key. A query's "not there" is a proof only `absentAfter` after the
 * connection closed, and only the second time.
 */
import type { Channel, SettlementEvent, SettlementState } from '../model/model.ts'
import type { Random } from '../std/std.ts'
import { frozenWhy, type PayVerdict, type QueryVerdict } from './channels/http.ts'

export interface Known {
  readonly state: SettlementState
  /** Payment requests so far that count. */
  readonly tries: number
  /** Times that a query has found nothing, in a row. */
  readonly absences: number
  /** Queries so far. */
  readonly asked: number
  /** Wall time at which the last payment request's connection closed; null when it is not known. */
  readonly closedMs: number | null
}

/** What else a decision looks at: the channel's rules, the time, chance. */
export interface Circumstances {
  readonly channel: Channel
  readonly nowMs: number
  readonly random: Random
}

export interface Step {
  /** Null: the state stays, only its waiting facts change. */
  readonly event: SettlementEvent | null
  readonly ledger: 'post' | 'void' | null
  readonly reason: string | null
  readonly nextMs: number | null
  readonly person: boolean
  readonly absences: number
  readonly providerReference: string | null
  /** The request of this try was held back by the gate: nothing went out, and it is no try. */
  readonly untried?: boolean
  /** One event tells of all that wait for the same: the freeze. */
  readonly quiet?: boolean
  /** Second event after the first, in the same transaction. */
  readonly followedBy?: SettlementEvent
}

const step = (event: Step['event'], rest: Partial<Step> = {}): Step => ({
  event,
  ledger: null,
  reason: null,
  nextMs: null,
  person: false,
  absences: 0,
  providerReference: null,
  ...rest,
})

/** First look is soon (an answer that got lost is there at once), then slower: 0.25 s doubling to 5 min, ±25 %. */
export const askDelayMs = (asked: number, random: Random): number =>
  Math.round(Math.min(300_000, 250 * 2 ** Math.min(asked, 20)) * (0.75 + random.next() / 2))

/** After so many questions without an answer a person is told; the sitter goes on asking. */
const patience = 12

const ending = (verdict: { is: 'settled' | 'rejected'; why?: string; providerReference: string | null }): Step =>
  verdict.is === 'settled'
    ? step('settle', { ledger: 'post', providerReference: verdict.providerReference })
    : step('reject', { ledger: 'void', reason: verdict.why ?? null, providerReference: verdict.providerReference })

export const afterPay = (known: Known, verdict: PayVerdict, at: Circumstances): Step => {
  const { channel, nowMs, random } = at
  switch (verdict.is) {
    case 'settled':
    case 'rejected':
      return ending(verdict as Parameters<typeof ending>[0])
    case 'accepted':
      return step('accept', {
        nextMs: channel.resolve?.by === 'query' ? nowMs + askDelayMs(1, random) : null,
        person: channel.resolve?.by !== 'query',
        reason: 'the provider has accepted it and not yet paid',
        providerReference: verdict.providerReference,
      })
    case 'unknown': {
      const waits =
        channel.resolve === null
          ? { nextMs: null, person: true }
          : { nextMs: nowMs + askDelayMs(0, random), person: false }
      // From unknown (the same key sent again) it stays unknown.
      return step(known.state === 'submitting' ? 'lose' : null, { ...waits, reason: verdict.why })
    }
    case 'not-sent':
      return afterNotSent(known, verdict, at)
  }
}

const afterNotSent = (
  known: Known,
  verdict: Extract<PayVerdict, { is: 'not-sent' }>,
  { channel, nowMs, random }: Circumstances,
): Step => {
  const backoffMs = Math.min(60_000, 500 * 2 ** Math.min(known.tries, 10)) * (0.5 + random.next() / 2)
  const nextMs = Math.ceil(nowMs + Math.max(verdict.retryAfterMs ?? 0, backoffMs) + random.next() * 200)
  // A try under the same key while an older one is unknown proves nothing about the older one.
  const quiet = verdict.why === frozenWhy
  if (known.state === 'unknown') return step(null, { reason: verdict.why, nextMs, person: verdict.person, quiet })
  if (verdict.counts && known.tries >= channel.tries) {
    return step('not-sent', {
      followedBy: 'give-up',
      ledger: 'void',
      reason: `proven not sent, ${known.tries} tries spent: ${verdict.why}`,
    })
  }
  return step('not-sent', { reason: verdict.why, nextMs, person: verdict.person, untried: verdict.held, quiet })
}

export const afterQuery = (known: Known, verdict: QueryVerdict, { channel, nowMs, random }: Circumstances): Step => {
  const again = nowMs + askDelayMs(known.asked, random)
  switch (verdict.is) {
    case 'settled':
    case 'rejected':
      return ending(verdict as Parameters<typeof ending>[0])
    case 'accepted':
      return known.state === 'accepted'
        ? step(null, { nextMs: again, reason: 'the provider has accepted it and not yet paid' })
        : step('accept', {
            nextMs: again,
            reason: 'the provider has accepted it and not yet paid',
            providerReference: verdict.providerReference,
          })
    case 'absent':
      return afterAbsent(known, channel, nowMs, again)
    case 'no-answer':
      return step(null, {
        nextMs: again,
        person: known.asked >= patience,
        absences: known.absences,
        reason: verdict.why,
      })
    case 'frozen':
      return step(null, {
        nextMs: nowMs + Math.max(verdict.retryAfterMs, askDelayMs(0, random)),
        person: true,
        absences: known.absences,
        reason: frozenWhy,
        quiet: true,
      })
    case 'not-offered':
      return step(null, { nextMs: nowMs + 300_000, person: true, reason: verdict.why })
  }
}

const afterAbsent = (known: Known, channel: Channel, nowMs: number, again: number): Step => {
  if (known.state === 'accepted') {
    return step(null, {
      nextMs: again,
      person: known.asked >= patience,
      reason: 'the provider had accepted it and now does not know it',
    })
  }
  const absentAfterMs = channel.resolve?.by === 'query' ? channel.resolve.absentAfterMs : Number.POSITIVE_INFINITY
  const countsFromMs = (known.closedMs ?? nowMs) + absentAfterMs
  // Too early: an absence now proves nothing. It may turn up meanwhile, so a slow look in between is worth its call.
  if (nowMs < countsFromMs) {
    return step(null, {
      nextMs: Math.min(Math.max(again, nowMs + absentAfterMs / 4), countsFromMs + 1),
      reason: 'the provider does not know it yet',
    })
  }
  if (known.absences === 0) {
    return step(null, {
      absences: 1,
      nextMs: nowMs + Math.max(250, Math.min(5_000, absentAfterMs / 8)),
      reason: 'not at the provider; asking a second time',
    })
  }
  return step('absent', { nextMs: nowMs, reason: 'proven absent at the provider' })
}
