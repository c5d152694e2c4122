/**
 * Who asks: a grant comes by the sitter's link; an agent's call by its cell's socket, which alone says who may be
 * meant. Who was taken out of its cell, or began anew, may still be there: a process that was stopped and goes on knows
 * of nothing. So a call names its incarnation, and its attempt, and what is over changes nothing.
 */
import type { CallInHand, Refusal, Stage } from '../call.ts'
import { headerOf } from '../headers.ts'

/** Why it is too late for this call; undefined = it is not. Asked again before it leaves: it may have waited. */
export const lateBy = ({ seat, agent, headers }: CallInHand): Refusal | undefined => {
  if (seat === null || agent === null) return undefined
  if (!seat.agents.has(agent)) return { code: 'stale', message: `${agent} does not live in this cell any more` }
  const epoch = headerOf(headers, 'x-sitter-epoch')
  const now = seat.epochs.get(agent)
  // A newer one than we know of is only faster than the news of it.
  if (epoch !== undefined && now !== undefined && !(Number(epoch) >= now))
    return { code: 'stale', message: `${agent} is at epoch ${now} now: an older one sends nothing` }
  const attempt = headerOf(headers, 'x-sitter-attempt')
  if (attempt !== undefined && seat.ended.has(attempt))
    return { code: 'stale', message: `${attempt.slice(0, 80)} is over: nothing more is sent for it` }
  return undefined
}

const notHere = (call: CallInHand, agent: string): Refusal =>
  headerOf(call.headers, 'x-sitter-epoch') === undefined
    ? { code: 'not-your-agent', message: 'this agent does not live in this cell' }
    : { code: 'stale', message: `this incarnation of ${agent.slice(0, 80)} does not live in this cell (any more)` }

export const identify: Stage = (call) => {
  const { seat } = call
  if (seat === null) return undefined
  const named = call.headers.filter(([name]) => name.toLowerCase() === 'x-sitter-agent').length
  if (named > 1) return { code: 'not-your-agent', message: 'x-sitter-agent was given more than once' }
  const [only] = seat.agents
  const agent = headerOf(call.headers, 'x-sitter-agent') ?? (seat.agents.size === 1 ? only : undefined)
  if (agent === undefined)
    return seat.agents.size === 0
      ? { code: 'stale', message: 'no agent lives in this cell any more' }
      : { code: 'not-your-agent', message: 'several agents live in this cell: say which with x-sitter-agent' }
  if (!seat.agents.has(agent)) return notHere(call, agent)
  call.agent = agent
  const late = lateBy(call)
  if (late !== undefined) return late
  if (!seat.upstreams.has(call.upstreamName)) {
    return { code: 'not-allowed', message: 'this agent type has no such upstream in its configuration' }
  }
  return undefined
}
