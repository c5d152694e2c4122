/** What a call costs, as far as that is known at the moment: before its end, and at its end. */
import type { CallInHand } from '../call.ts'
import { chargeOf, costText, tellsTokens, type Asked, type Charge } from '../cost/price.ts'
import { openUsage } from '../cost/usage.ts'
import { headerOf, type HeaderPairs } from '../headers.ts'

export const askedOf = (call: CallInHand): Asked => ({ method: call.method, segments: call.plain!.segments })

/** Its answer is to tell the tokens that it used, so it must be readable. */
export const readsTokens = (call: CallInHand): boolean => {
  const { price } = call.upstream!
  return price !== null && tellsTokens(price, askedOf(call))
}

/** What is packed is never read: its cost stays unknown. */
const isPlain = (headers: HeaderPairs): boolean =>
  ['', 'identity'].includes((headerOf(headers, 'content-encoding') ?? '').trim().toLowerCase())

/** From the head of its answer on, as its receiver sees it. */
export const beginReading = (call: CallInHand, headers: HeaderPairs): void => {
  const usage = call.upstream!.rule.profile?.usage
  if (usage === undefined || !isPlain(headers) || !readsTokens(call)) return
  call.reading = openUsage(usage, headerOf(headers, 'content-type') ?? '')
}

/** Null: it was not sent, or costs nothing. */
export const chargeNow = (call: CallInHand, answered: boolean): Charge | null => {
  const price = call.upstream?.price ?? null
  if (price === null || call.sentWallMs === null) return null
  return chargeOf(price, askedOf(call), { answered, class: call.outcomeClass, usage: call.usage ?? undefined })
}

/** For the head of its answer: what it used is told at its end. */
export const costNow = (call: CallInHand): string | null => {
  const charge = chargeNow(call, call.outcomeClass !== null)
  return charge === null ? null : costText(charge.cost)
}
