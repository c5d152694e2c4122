/** Waits until every limit admits the call. Charged from here on, whatever comes. Place of budgets and quotas. */
import { throttledLimits } from '../../limit/limit.ts'
import { throttledShare } from '../../model/model.ts'
import type { CallInHand, Room, Stage } from '../call.ts'
import { scopeOf } from './mode.ts'

const limitsOf = (call: CallInHand, room: Room): CallInHand['limits'] => {
  const { limits: rules } = call.upstream!.rule
  const limits = room.buckets.applied(rules, call.scope!)
  const { mode, target } = room.modes.of(scopeOf(call))
  return mode === 'throttled'
    ? [...limits, ...throttledLimits(rules, call.scope!, { target, share: throttledShare })]
    : limits
}

export const admit: Stage = async (call, room) => {
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
  const message =
    admission.why === 'full' ? 'too many calls wait for this limit' : 'the limit did not admit the call in time'
  return { code: 'limited', message, retryAfterMs: Math.ceil(admission.retryAfterMs) }
}
