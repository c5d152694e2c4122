/**
 * The last look before a start. Whoever is let go waits for its place among thousands (waves.ts), for its turn in the
 * order of starts, or for the end of its old cell, and a hold may begin meanwhile. Who may not start stays in
 * `starting` without a seat, and waits at the governor: with those that died of it, when it did; and as a stranger,
 * when cells of its type die as soon as they are started and none has come up since.
 */
import type { Agent, Group, Live } from '../live.ts'
import { groupRises } from '../loss.ts'
import { groupName } from './name.ts'
import { agentRestart, groupRestart, ownPolicy } from './restarts.ts'

const goesNow = (live: Live, group: Group): void => {
  if (group.due !== null) groupRises(live, group)
  live.deeds.provide(group)
}

/** A cell would have to be started for these, and may not. */
const isBarred = (live: Live, group: Group, agents: readonly Agent[]): boolean => {
  const { governor } = live
  // Whoever joins a cell that lives, or goes first, is started into no wall.
  if (group.cell !== null || group.goesFirst) return false
  if (governor.isTried(groupName(group)) || agents.some(({ id }) => governor.isTried(id))) return false
  const restart = groupRestart(live, group, () => goesNow(live, group))
  if (!governor.admit(group.diedOf, restart)) return true
  const type = group.settings.name
  const key = governor.bars(type)
  if (key !== null) governor.wait(key, type, restart)
  return key !== null
}

/** Those of them that may be started now; the others are, when their hold lets them go. */
export const startable = (live: Live, group: Group, agents: readonly Agent[]): Agent[] => {
  if (agents.length === 0) return []
  const free = agents.filter((agent) => {
    const restart = agentRestart(live, agent, ownPolicy(agent), () => live.deeds.provide(agent.group))
    return live.governor.admit(agent.diedOf, restart)
  })
  return free.length === 0 || isBarred(live, group, free) ? [] : free
}
