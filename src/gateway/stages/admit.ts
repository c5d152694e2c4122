/**
 * Waits until every limit admits the call, and its breaker. Charged from here on, whatever comes. An agent's own call
 * does not wait for a breaker: it is told when the next probe goes. Place of budgets and quotas.
 */
import { throttledShare, type UpstreamLimit } from '../../model/model.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { scopeOf } from './mode.ts'

/** Undefined while the breaker of its endpoint lets it through, or wants it as its probe. */
const heldByBreaker = (call: CallInHand, room: Room): Refusal | undefined => {
  const nextMs = room.buckets.nextProbeMs(call.scope!, call.endpoint)
  const waitMs = (nextMs ?? 0) - room.clock.monoMs()
  if (nextMs === undefined || waitMs <= 0) return undefined
  const message = `${call.upstreamName} has failed too often: ${call.endpoint} is tried by one call after Retry-After`
  return { code: 'breaker-open', message, retryAfterMs: Math.ceil(waitMs) }
}

const limitsOf = (call: CallInHand, room: Room): CallInHand['limits'] => {
  const { upstream, method, endpoint } = call
  const { limits: rules, learn, breaker } = upstream!.rule
  const { segments } = call.plain!
  const weigh = (rule: UpstreamLimit): number => upstream!.weigh(rule, method, segments)
  const limits = room.buckets.applied(rules, call.scope!, { endpoint, learn, breaker, weigh })
  const { mode, target } = room.modes.of(scopeOf(call))
  return mode === 'throttled'
    ? [...limits, ...room.buckets.throttled(rules, call.scope!, { target, share: throttledShare, weigh })]
    : limits
}

export const admit: Stage = async (call, room) => {
  const held = call.grant === null ? heldByBreaker(call, room) : undefined
  if (held !== undefined) return held
  const limits = limitsOf(call, room)
  const admission = await new Promise<Parameters<Parameters<typeof room.lines.wait>[0]['decided']>[0]>((decided) => {
    call.onWaiting(
      room.lines.wait({ scope: call.scope!, limits, granted: call.grant !== null, waitMs: call.waitMs, decided }),
    )
  })
  call.waitedMs = admission.waitedMs
  if (admission.admitted) {
    call.limits = limits
    call.charged = true
    return undefined
  }
  if (admission.why === 'dropped') {
    return room.frozen()
      ? { code: 'frozen', message: 'the swarm was frozen while this call waited' }
      : { code: 'gate-lost', message: 'the call left the queue before it was sent', silent: true }
  }
  const open = heldByBreaker(call, room)
  if (open !== undefined && admission.why === 'over') return open
  const message =
    admission.why === 'full' ? 'too many calls wait for this limit' : 'the limit did not admit the call in time'
  return { code: 'limited', message, retryAfterMs: Math.ceil(admission.retryAfterMs) }
}
