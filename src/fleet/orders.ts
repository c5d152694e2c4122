/**
 * What a person orders an agent to be: started, stopped, paused, resumed, quarantined. An order holds until the next
 * one: it is saved with the agent, and neither a time, nor a loss, nor another sitter ends it. Who cannot take an order
 * in its state is left alone and named.
 */
import type { AgentRef, AgentStateName } from '../model/model.ts'
import { Failure } from '../std/std.ts'
import { move, touch } from './agents.ts'
import { dropBed } from './hibernate/bed.ts'
import type { Agent, Live } from './live.ts'
import { forget, rise } from './loss.ts'
import { assertOpen, hurry, known, leaveCell, standDown } from './operator.ts'
import type { AgentOrder, OrderAnswer, OrderedBy } from './port.ts'
import { formatAgents } from './range.ts'
import { notify } from './wiring.ts'

/** States in which an order means something. */
const takes: Record<AgentOrder, readonly AgentStateName[]> = {
  start: ['stopped', 'hibernating'],
  stop: ['starting', 'idle', 'busy', 'suspect', 'backoff', 'quarantined', 'hibernating', 'paused', 'unknown'],
  pause: ['idle', 'busy', 'hibernating'],
  resume: ['paused'],
  quarantine: ['starting', 'idle', 'busy', 'suspect', 'backoff', 'hibernating', 'unknown'],
}

const past: Record<AgentOrder, string> = {
  start: 'started',
  stop: 'stopped',
  pause: 'paused',
  resume: 'resumed',
  quarantine: 'quarantined',
}

const hold = (live: Live, agent: Agent, ordered: NonNullable<Agent['ordered']>): void => {
  agent.ordered = ordered
  touch(live, agent)
}

/** Still in its cell it goes on there; its cell gone meanwhile, it is started anew. */
const resume = (live: Live, agent: Agent): Agent | undefined => {
  if (agent.cell === null) {
    standDown(live, agent, agent.reason ?? 'resumed')
    return agent
  }
  forget(live, agent)
  move(live, agent, 'resume', null)
  if (agent.attempt !== null || agent.taken) move(live, agent, 'claim')
  return undefined
}

/** Does it to one agent; gives it back when it must be started. */
const obey = (
  live: Live,
  order: AgentOrder,
  agent: Agent,
  { reason, charged }: Omit<OrderedBy, 'actor'>,
): Agent | undefined => {
  switch (order) {
    case 'start':
      return agent
    case 'resume':
      return resume(live, agent)
    case 'stop':
      forget(live, agent)
      dropBed(live, agent)
      standDown(live, agent, reason)
      hold(live, agent, 'stopped')
      return undefined
    case 'pause':
      move(live, agent, 'pause', reason)
      hold(live, agent, 'paused')
      return undefined
    case 'quarantine':
      forget(live, agent)
      dropBed(live, agent)
      move(live, agent, 'quarantine', reason)
      leaveCell(live, agent, reason, charged)
      hold(live, agent, 'quarantined')
      return undefined
  }
}

const tell = (live: Live, order: AgentOrder, agents: readonly Agent[], { actor, reason }: OrderedBy): void => {
  const names = formatAgents(agents)
  const count = agents.length
  live.record.audit({ actor, action: `agent.${order}`, object: names, decision: 'done', facts: { count, reason } })
  notify(live, `agent.${order}-ordered`, order === 'quarantine' ? 'warn' : 'info', {
    subject: count === 1 ? agents[0]!.id : names,
    message: `${names}: ${past[order]} by ${actor}: ${reason}`,
    facts: { by: actor, agents: names, count, reason },
  })
}

/** @throws Failure `not-found`; `conflict` when no agent takes the order, or while stopping. */
export const orderAgents = async (
  live: Live,
  order: AgentOrder,
  refs: readonly AgentRef[],
  by: OrderedBy,
): Promise<OrderAnswer> => {
  const all = known(live, refs)
  assertOpen(live)
  const [done, left] = [
    all.filter((agent) => takes[order].includes(agent.state)),
    all.filter((agent) => !takes[order].includes(agent.state)),
  ]
  const answer = {
    done: done.map((agent) => agent.id),
    left: left.map((agent) => ({ agent: agent.id, state: agent.state })),
  }
  if (done.length === 0) {
    const states = [...new Set(left.map((agent) => agent.state))].join(', ')
    throw new Failure('conflict', `${formatAgents(left)}: ${states}; only ${takes[order].join(', ')} can ${order}`)
  }
  tell(live, order, done, by)
  const reason = `${past[order]} by ${by.actor}: ${by.reason}`
  const rising = done.map((agent) => obey(live, order, agent, { ...by, reason })).filter((agent) => agent !== undefined)
  hurry(rising)
  rise(live, rising, 'start')
  await live.record.flush()
  return answer
}
