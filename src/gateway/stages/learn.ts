/**
 * What an answer teaches: Retry-After stops its scope at once. Place of learning limits from headers and of the
 * breaker's evidence.
 */
import type { CallInHand, Room } from '../call.ts'
import { headerOf, type HeaderPairs } from '../headers.ts'

export const learn = (call: CallInHand, room: Room, status: number, headers: HeaderPairs): void => {
  const { sentWallMs } = call
  if (sentWallMs !== null)
    room.skew.learn(call.upstreamName, headerOf(headers, 'date'), sentWallMs, room.clock.wallMs())
  const retryAfter = headerOf(headers, 'retry-after')
  const longer = room.buckets.answered(call.scope!, {
    status,
    retryAfter,
    sentMs: call.sentMonoMs ?? room.clock.monoMs(),
  })
  if (!longer) return
  const untilMs = room.buckets.pausedUntil(call.scope!) - room.clock.monoMs()
  room.log('warn', 'an upstream asked us to wait', {
    upstream: call.upstreamName,
    status,
    pauseMs: Math.round(untilMs),
  })
}
