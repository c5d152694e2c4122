/**
 * How urgent the task is that each agent has in hand, by the sitter's word: an agent cannot make itself more urgent.
 * Only what differs from the usual is told and kept. It decides who goes first in a line and nothing else, so it need
 * not be durable: a sitter that links tells all of it again.
 */
import { usualPriority } from '../model/model.ts'

/** As many agents as a swarm may have. */
const mostKept = 1_000_000

export interface Priorities {
  of(agent: string | null): number
  /** Replaces what is known of these agents. */
  told(changes: readonly (readonly [agent: string, priority: number])[]): void
  /** Another link: nothing is known. */
  forget(): void
}

export const openPriorities = (): Priorities => {
  const known = new Map<string, number>()
  return {
    of: (agent) => (agent === null ? usualPriority : (known.get(agent) ?? usualPriority)),
    told: (changes) => {
      for (const [agent, priority] of changes)
        if (priority === usualPriority) known.delete(agent)
        else if (known.size < mostKept || known.has(agent)) known.set(agent, priority)
    },
    forget: () => known.clear(),
  }
}
