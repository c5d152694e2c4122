/**
 * What the head of an answer teaches: Retry-After stops its scope at once, and what the provider says is left of its
 * limits is counted down from here.
 */
import { readListed } from '../../limit/limit.ts'
import type { CallInHand, Room } from '../call.ts'
import { headerOf, type HeaderPairs } from '../headers.ts'
import { routeMatches } from '../path.ts'

export const learn = (call: CallInHand, room: Room, status: number, headers: HeaderPairs): void => {
  const { learn: learns, profile } = call.upstream!.rule
  const { sentWallMs } = call
  if (sentWallMs !== null)
    room.skew.learn(call.upstreamName, headerOf(headers, 'date'), sentWallMs, room.clock.wallMs())
  const longer = room.buckets.answered(call.scope!, {
    gauges: call.limits,
    status,
    headers,
    sentMs: call.sentMonoMs ?? room.clock.monoMs(),
    learn: learns,
    knownLimits: profile?.limits ?? {},
    bans: profile?.bans,
    perHost: profile?.perHost,
    counts: call.upstream!.counts?.(call.method, call.plain!.segments),
  })
  call.toldToWait = headerOf(headers, 'retry-after') !== undefined || room.buckets.isUsedUp(call.scope!)
  if (!longer) return
  const untilMs = room.buckets.pausedUntil(call.scope!) - room.clock.monoMs()
  room.log('warn', 'an upstream asked us to wait', {
    upstream: call.upstreamName,
    status,
    pauseMs: Math.round(untilMs),
  })
}

/** As much of an answer is read for the limits that it lists: an exchange puts them before its thousands of symbols. */
const mostList = 65_536

/** Whether this answer lists limits; then its beginning is kept. */
export const beginList = (call: CallInHand, status: number): void => {
  const { listing = [], rule } = call.upstream!
  if (status !== 200 || !rule.learn || call.plain === null) return
  const { segments } = call.plain
  if (listing.some((one) => routeMatches(one, call.method, segments))) call.listText = ''
}

export const readList = (call: CallInHand, chunk: Buffer): void => {
  if (call.listText !== null && call.listText.length < mostList) call.listText += chunk.toString('latin1')
}

export const endList = (call: CallInHand, room: Room): void => {
  if (call.listText !== null) room.buckets.listed(call.scope!, readListed(call.listText.slice(0, mostList)))
  call.listText = null
}
