/**
 * Limits on what an agent sends by an open WebSocket: those whose `match` names `MESSAGE`, as providers count them
 * apart from requests. Each message waits in the line of its upstream like a call, and is never refused for it: an
 * agent that says more is read more slowly.
 */
import type { CallInHand, Refusal, Room } from '../call.ts'

/** Longest wait of one message; then the socket is closed, and the agent sees why. */
const waitMs = 60_000

export const messageGate = (call: CallInHand, room: Room): (() => Promise<Refusal | undefined> | undefined) => {
  const { segments } = call.plain!
  return () => {
    const upstream = room.upstreams.get(call.upstreamName)
    const rules = upstream?.rule.limits.filter(({ match }) => match.some((one) => one.startsWith('MESSAGE '))) ?? []
    if (upstream === undefined || rules.length === 0) return undefined
    const weigh = (rule: (typeof rules)[number]): number => upstream.weigh(rule, 'MESSAGE', segments)
    const limits = room.buckets.applied(rules, call.scope!, {
      endpoint: call.endpoint,
      learn: false,
      breaker: null,
      weigh,
    })
    if (limits.length === 0) return undefined
    return new Promise((resolve) => {
      room.lines.wait({
        scope: call.scope!,
        limits,
        granted: false,
        priority: room.priorities.of(call.agent),
        weight: Math.max(1, ...rules.map(weigh)),
        waitMs,
        decided: (admission) => {
          if (!admission.admitted) return resolve({ code: 'limited', message: 'its messages are more than the limit' })
          room.buckets.sent(limits, room.clock.monoMs())
          room.buckets.ended(limits, null)
          room.lines.wake(call.upstreamName)
          resolve(undefined)
        },
      })
    })
  }
}
