/**
 * Waits until every limit admits the call, and its breaker. Charged from here on, whatever comes. An agent's own call
 * does not wait for a breaker, nor longer than its upstream's `parkAfter`: it is told when to come back, and its task
 * waits in the record instead of a process. Place of budgets and quotas.
 */
import { throttledShare, type UpstreamLimit } from '../../model/model.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { kindOfCall } from '../vacancies.ts'
import { frozenMs, scopeOf } from './mode.ts'

type Weigh = (rule: UpstreamLimit) => number

const weighing =
  ({ upstream, method, plain }: CallInHand): Weigh =>
  (rule) =>
    upstream!.weigh(rule, method, plain!.segments)

const limitsOf = (call: CallInHand, room: Room, weigh: Weigh): CallInHand['limits'] => {
  const { upstream, endpoint } = call
  const { limits: rules, learn, breaker, profile } = upstream!.rule
  const perHost = profile?.perHost
  const counts = upstream!.counts?.(call.method, call.plain!.segments)
  const own = room.buckets.applied(rules, call.scope!, { endpoint, learn, breaker, weigh, perHost, counts })
  const { over } = upstream!
  const limits = over.length === 0 ? own : [...own, ...room.buckets.overUpstreams(over, call.scope!)]
  const { mode, target } = room.modes.of(scopeOf(call))
  return mode === 'throttled'
    ? [...limits, ...room.buckets.throttled(rules, call.scope!, { target, share: throttledShare, weigh })]
    : limits
}

const whyLimited = {
  full: 'too many calls wait for this limit',
  over: 'the limit does not admit the call soon enough',
} as const

type Admission = Parameters<Parameters<Room['lines']['wait']>[0]['decided']>[0]

/** At once where nothing is in its way, as with most calls. */
const admissionOf = (call: CallInHand, room: Room, limits: CallInHand['limits'], weigh: Weigh) => {
  const { rule } = call.upstream!
  const found: { now?: Admission; later?: (admission: Admission) => void } = {}
  const leave = room.lines.wait({
    scope: call.scope!,
    limits,
    granted: call.grant !== null,
    priority: room.priorities.of(call.agent),
    weight: rule.limits.reduce((most, limit) => Math.max(most, weigh(limit)), 1) / room.shares.of(call.agent),
    waitMs: call.waitMs ?? rule.parkAfterMs,
    decided: (admission) => {
      if (found.later === undefined) found.now = admission
      else found.later(admission)
    },
  })
  if (found.now !== undefined) return found.now
  call.onWaiting(leave)
  return new Promise<Admission>((resolve) => {
    found.later = resolve
  })
}

const refusalOf = (call: CallInHand, room: Room, admission: Exclude<Admission, { admitted: true }>): Refusal => {
  if (admission.why === 'dropped') {
    return room.frozen()
      ? { code: 'frozen', message: 'the swarm was frozen while this call waited', ...frozenMs(call) }
      : { code: 'gate-lost', message: 'the call left the queue before it was sent', silent: true }
  }
  const retryAfterMs = Math.ceil(admission.retryAfterMs)
  if (admission.why === 'barred') {
    const message = `${call.upstreamName} has failed too often: ${call.endpoint} is tried by one call after Retry-After`
    return { code: 'breaker-open', message, retryAfterMs, waitsFor: kindOfCall(call) }
  }
  const isOthersToo = admission.why === 'over' && admission.own !== true
  const waitsFor = isOthersToo ? { waitsFor: kindOfCall(call) } : {}
  return { code: 'limited', message: whyLimited[admission.why], retryAfterMs, ...waitsFor }
}

export const admit: Stage = (call, room) => {
  const weigh = weighing(call)
  const limits = limitsOf(call, room, weigh)
  const decide = (admission: Admission): Refusal | undefined => {
    call.waitedMs = admission.waitedMs
    if (!admission.admitted) return refusalOf(call, room, admission)
    call.limits = limits
    call.charged = true
    room.meter.waited(call.upstreamName, admission.waitedMs)
    return undefined
  }
  const admission = admissionOf(call, room, limits, weigh)
  return admission instanceof Promise ? admission.then(decide) : decide(admission)
}
