/** What the gate was told of the priorities of agents' work: only changes are told, and all of it after a new link. */
import { usualPriority } from '../model/model.ts'
import type { AgentPriority, PrioritiesTold } from '../wire/wire.ts'

/** Of at most 100 bytes each they stay below a frame. */
const atOnce = 5_000

export interface Urgency {
  /** Frames that tell what differs from what was told; noted as told. */
  changes(of: readonly AgentPriority[]): readonly PrioritiesTold[]
  /** Frames that tell all of it. */
  all(): readonly PrioritiesTold[]
}

const framesOf = (agents: readonly AgentPriority[]): readonly PrioritiesTold[] =>
  Array.from({ length: Math.ceil(agents.length / atOnce) }, (_, at) => ({
    frame: 'priority',
    agents: agents.slice(at * atOnce, (at + 1) * atOnce),
  }))

export const openUrgency = (): Urgency => {
  const told = new Map<string, number>()
  return {
    changes: (of) => {
      const changed = of.filter(([agent, priority]) => (told.get(agent) ?? usualPriority) !== priority)
      for (const [agent, priority] of changed)
        if (priority === usualPriority) told.delete(agent)
        else told.set(agent, priority)
      return framesOf(changed)
    },
    all: () => framesOf([...told]),
  }
}
