/**
 * What the head of an answer teaches: Retry-After stops its scope at once, and what the provider says is left of its
 * limits is counted down from here.
 */
import type { CallInHand, Room } from '../call.ts'
import { headerOf, type HeaderPairs } from '../headers.ts'

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
