/**
 * Who asks: a grant comes by the sitter's link; an agent's call by its cell's socket, which alone says who may be
 * meant.
 */
import type { Stage } from '../call.ts'
import { headerOf } from '../headers.ts'

export const identify: Stage = (call) => {
  const { seat } = call
  if (seat === null) return undefined
  const named = call.headers.filter(([name]) => name.toLowerCase() === 'x-sitter-agent').length
  if (named > 1) return { code: 'not-your-agent', message: 'x-sitter-agent was given more than once' }
  const [only] = seat.agents
  const agent = headerOf(call.headers, 'x-sitter-agent') ?? (seat.agents.size === 1 ? only : undefined)
  if (agent === undefined)
    return { code: 'not-your-agent', message: 'several agents live in this cell: say which with x-sitter-agent' }
  if (!seat.agents.has(agent)) return { code: 'not-your-agent', message: 'this agent does not live in this cell' }
  call.agent = agent
  if (!seat.upstreams.has(call.upstreamName)) {
    return { code: 'not-allowed', message: 'this agent type has no such upstream in its configuration' }
  }
  return undefined
}
