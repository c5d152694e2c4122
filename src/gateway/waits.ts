/** How long a call would wait if it went out by one of the credentials that it may go by. */
import type { UpstreamLimit } from '../model/model.ts'
import type { CallInHand, Room } from './call.ts'

/** Limits at a pace always make somebody wait a moment: only what is longer is a wait. */
const momentMs = 1_000

/**
 * For how long a credential makes this call wait: a pause that its provider wants, what is left by the provider's own
 * word, its own configured limits, and who stands in its line. 0 = it does not, or shorter than is worth a switch.
 */
export const waitsMs = (call: CallInHand, room: Room, credential: string): number => {
  const { rule, place: host, weigh } = call.upstream!
  const scope = { upstream: rule.name, host, credential, agent: call.agent }
  const nowMs = room.clock.monoMs()
  const pausedMs = room.buckets.pausedUntil(scope) - nowMs
  if (pausedMs > 0) return pausedMs
  // All of the pool share the others.
  const ofOne = (limit: UpstreamLimit): number =>
    limit.per === 'credential' ? weigh(limit, call.method, call.plain!.segments) : 0
  const watching = { endpoint: call.endpoint, learn: rule.learn, breaker: null, weigh: ofOne }
  const limits = room.buckets.applied(rule.limits, scope, watching)
  const waitMs = room.lines.comesAt({ scope, limits, priority: room.priorities.of(call.agent) }) - nowMs
  return waitMs > Math.min(momentMs, call.waitMs ?? rule.parkAfterMs) ? waitMs : 0
}
