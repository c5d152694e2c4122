/**
 * Whether a drill may harm an agent of this swarm now. Pure: the door gathers the facts, nobody decides beside it.
 */
import { Failure } from '../std/std.ts'
import type { AgentType } from '../model/model.ts'
import type { AgentView } from './port.ts'

export interface DrillFacts {
  readonly type: AgentType | undefined
  /** All agents of the type, or the one that was named. */
  readonly agents: readonly AgentView[]
  readonly named: string
  readonly frozen: boolean | 'unknown'
  /** Incidents that are open. */
  readonly incidents: readonly string[]
  /** A drill that has not ended. */
  readonly other: string | null
}

const refused = (why: string, wayOut: string): Failure => new Failure('conflict', why, { facts: { wayOut } })

/** The agent to be harmed. @throws Failure `not-found`, `not-allowed` or `conflict`, with the way out. */
export const chooseCanary = (facts: DrillFacts): AgentView => {
  const { type, agents, named, frozen, incidents, other } = facts
  if (type === undefined) throw new Failure('not-found', `there is no agent, and no type of agents, ${named}`)
  if (type.canary !== true)
    throw new Failure('not-allowed', `${type.name} is no canary: its agents are not there to be harmed`, {
      facts: { wayOut: 'mark a type of their own with `canary: true`, or drill a scratch swarm: without --live' },
    })
  if (other !== null) throw refused(`the drill ${other} has not ended`, 'wait for its end: it has five minutes')
  if (frozen !== false)
    throw refused(frozen === true ? 'the swarm is frozen' : 'nobody knows whether the swarm is frozen', 'sitter thaw')
  if (incidents.length > 0) {
    const more = incidents.length > 1 ? `, and ${incidents.length - 1} more` : ''
    throw refused(`something is wrong already: ${incidents[0]}${more}`, 'sitter incident ls --open')
  }
  const free = agents.find(({ state, cell }) => state === 'idle' && cell !== null)
  if (free === undefined) throw refused(`no canary of ${named} is idle in a process`, `sitter ps --type ${type.name}`)
  return free
}
