/**
 * What came of a call that was sent or could not be: its class, which the breaker and the sitter go by. Told once, when
 * the whole answer is there or is not to be had.
 */
import { classify, isFailure, isSafe, limitProblem } from '../../limit/limit.ts'
import type { CallInHand, Room } from '../call.ts'
import { notNowCode, type Ended } from '../exchange.ts'
import { routeMatches } from '../path.ts'

/** By its method, or because the configuration says so. */
export const changesNothing = ({ upstream, method, plain }: CallInHand): boolean =>
  isSafe(method) || upstream!.safe.some((one) => routeMatches(one, method, plain!.segments))

/** Our own end of it says nothing about the upstream. */
const ownDoing = new Set(['given-up', 'enough', notNowCode])
export const isOurs = (ended: Ended): boolean => ended.kind !== 'answered' && ownDoing.has(ended.code)

/**
 * A limit that refuses by 403 and names no wait: GitHub's second one, which bans who goes on, or a firewall. One that
 * refuses by a problem document names the limits instead, and the ends of their windows may be known.
 */
const heedUnnamed = (call: CallInHand, room: Room, status: number | null): void => {
  if (status === null || call.outcomeClass !== 'limited' || call.sentMonoMs === null) return
  const problem = limitProblem(call.answerText)
  const isNamed = problem !== undefined && room.buckets.violated(call.scope!, problem.violated)
  // By 429 it pauses as any other.
  if (isNamed || call.toldToWait || (status !== 403 && (problem === undefined || status === 429))) return
  if (room.buckets.limited(call.scope!, call.sentMonoMs))
    room.log('warn', 'an upstream refused a call by a limit that names no wait', { upstream: call.upstreamName })
}

export const judge = (call: CallInHand, room: Room, ended: Ended, status: number): void => {
  const { profile } = call.upstream!.rule
  const isAnswered = ended.kind === 'answered' || ended.code === 'enough'
  const answer = { status: isAnswered ? status : null, body: call.answerText, limited: call.toldToWait }
  // What never left may be tried again whatever it is.
  const safe = ended.kind === 'not-sent' || changesNothing(call)
  call.outcomeClass = classify(profile, safe, answer)
  heedUnnamed(call, room, answer.status)
  const says = isOurs(ended) && !isAnswered ? null : isFailure(call.outcomeClass, answer.status)
  room.buckets.ended(call.limits, says)
  // A probe may have let others in, or a window may be known to be used up.
  room.lines.wake(call.upstreamName)
}
