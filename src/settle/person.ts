/**
 * What a person may do with one payment, as the step that follows: a pure decision of (settlement, its requests, what
 * is asked, now). Held and cancelled can only be what is proven not to be at the provider: reserved, no request out.
 *
 *   reserved ─ hold ─▶ held ─ release ─▶ reserved        reserved, held ─ cancel ─▶ cancelled
 *   unknown, accepted ─ resolve as settled ─▶ settled    unknown ─ resolve as absent ─▶ reserved (it may be paid again)
 */
import { Failure } from '../std/std.ts'
import type { IntentView, SettlementView } from '../store/store.ts'
import type { Step } from './decide.ts'
import type { PersonsWord } from './port.ts'

const longestReason = 500

const conflict = (settlement: SettlementView, why: string): Failure =>
  new Failure('conflict', `${settlement.id} is ${settlement.state}: ${why}`)

const isOut = (intents: readonly IntentView[], kinds: readonly IntentView['kind'][]): boolean =>
  intents.some((intent) => intent.outcome === null && kinds.includes(intent.kind))

/**
 * Requests that a person's word must not overtake. Even a query: after `absent` the payment may be sent again, and the
 * answer that says it is there would come too late.
 */
export const mustNotBeOut = (
  word: Pick<PersonsWord, 'order'> & { readonly as?: string },
): readonly IntentView['kind'][] => (word.order === 'resolve' && word.as === 'settled' ? ['pay'] : ['pay', 'query'])

const waitsOrIsOver = 'only a payment that waits to be sent can be'

const resolved = (
  settlement: SettlementView,
  intents: readonly IntentView[],
  as: 'settled' | 'absent',
): Pick<Step, 'event' | 'ledger'> => {
  if (settlement.state !== 'unknown' && settlement.state !== 'accepted')
    throw conflict(settlement, 'only an unknown or accepted one can be resolved by a person')
  if (as === 'absent' && settlement.state === 'accepted')
    throw conflict(settlement, 'the provider accepted it, so it cannot be declared absent')
  if (isOut(intents, mustNotBeOut({ order: 'resolve', as })))
    throw conflict(settlement, 'a request about it is under way, wait for its outcome')
  return as === 'settled' ? { event: 'settle', ledger: 'post' } : { event: 'absent', ledger: null }
}

const ordered = (
  settlement: SettlementView,
  intents: readonly IntentView[],
  order: 'hold' | 'release' | 'cancel',
): Pick<Step, 'event' | 'ledger' | 'followedBy'> => {
  const { state } = settlement
  if (isOut(intents, mustNotBeOut({ order })))
    throw conflict(settlement, 'a request about it is under way, wait for its outcome')
  if (order === 'release') {
    if (state !== 'held') throw conflict(settlement, 'only a held payment can be released')
    return { event: 'approve', followedBy: 'reserve', ledger: null }
  }
  if (order === 'hold') {
    if (state !== 'reserved') throw conflict(settlement, `${waitsOrIsOver} held`)
    return { event: 'hold', ledger: null }
  }
  if (state !== 'reserved' && state !== 'held') throw conflict(settlement, `${waitsOrIsOver} cancelled`)
  return { event: 'cancel', ledger: 'void' }
}

const past = { hold: 'held', release: 'released', cancel: 'cancelled' } as const

/** @throws Failure `conflict` when its state does not allow it; nothing was done then. */
export const personStep = (
  settlement: SettlementView,
  intents: readonly IntentView[],
  word: PersonsWord,
  now: { readonly actor: string; readonly nowMs: number },
): Step => {
  const said =
    word.order === 'resolve' ? `resolved as ${word.as} by ${now.actor}` : `${past[word.order]} by ${now.actor}`
  const { event, ledger, followedBy } =
    word.order === 'resolve'
      ? { ...resolved(settlement, intents, word.as), followedBy: undefined }
      : { followedBy: undefined, ...ordered(settlement, intents, word.order) }
  const goesOn = word.order === 'release' || (word.order === 'resolve' && word.as === 'absent')
  return {
    event,
    ledger,
    ...(followedBy !== undefined && { followedBy }),
    reason: `${said}: ${word.why}`.slice(0, longestReason),
    nextMs: goesOn ? now.nowMs : null,
    person: word.order === 'hold',
    absences: 0,
    providerReference: null,
  }
}
