/** Waits until every limit admits the call. Charged from here on, whatever comes. Place of budgets and quotas. */
import type { Stage } from '../call.ts'

export const admit: Stage = async (call, room) => {
  const limits = room.buckets.applied(call.upstream!.rule.limits, call.scope!)
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
