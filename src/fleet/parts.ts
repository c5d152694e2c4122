/**
 * Groups and who is in them. A group is a home, which the configuration made, or a part of one: some of its agents, in
 * a cell of their own for a while. An agent has one home for ever, and is in one group at a time.
 */
import type { AgentType } from '../model/model.ts'
import type { Agent, Group, Part } from './live.ts'
import { freshPolicy } from './restart.ts'
import type { Saved, SavedGroup } from './saved.ts'
import { noPartings } from './split.ts'

export const groupOf = (settings: AgentType, index: number, part: Part | null = null): Group => ({
  index,
  settings,
  part,
  members: [],
  agents: [],
  policy: freshPolicy,
  deaths: [],
  diedOf: null,
  goesFirst: false,
  partings: noPartings,
  cell: null,
  notBeforeMs: -Infinity,
  due: null,
  cancelDue: null,
  quarantined: false,
  anew: null,
  cancelTrial: null,
  trialMs: Infinity,
  lostMs: null,
  recycledMs: null,
})

/** In whose row the group's own state is saved: of a home by its members, wherever they live. */
export const keeperOf = (group: Group): Agent | undefined => (group.part === null ? group.members[0] : group.agents[0])

const takeFrom = (list: Agent[], agent: Agent): void => {
  const at = list.indexOf(agent)
  if (at >= 0) list.splice(at, 1)
}

/** Out of the fleet for good. */
export const leaveGroup = (agent: Agent): void => {
  takeFrom(agent.group.agents, agent)
  takeFrom(agent.home.members, agent)
}

/** Nobody lives in it, and nobody has his home in it. */
export const isDeserted = ({ agents, members }: Group): boolean => agents.length === 0 && members.length === 0

export const enterGroup = (agent: Agent, group: Group): void => {
  takeFrom(agent.group.agents, agent)
  agent.group = group
  const at = group.agents.findIndex(({ number }) => number > agent.number)
  group.agents.splice(at < 0 ? group.agents.length : at, 0, agent)
}

export const resumeGroup = (group: Group, saved: SavedGroup): void => {
  group.policy = saved.policy
  group.quarantined = saved.quarantined
  group.deaths = saved.deaths
  group.partings = saved.partings
  group.due = saved.due
}

/** Puts agents into the parts in which the last sitter had them; gives the parts. */
export const resumeParts = (read: readonly { readonly agent: Agent; readonly saved: Saved }[]): Group[] => {
  const parts = new Map<string, Group>()
  for (const { agent, saved } of read) {
    if (saved.part === null) continue
    const { group, ...part } = saved.part
    const made = parts.get(part.id) ?? groupOf(agent.settings, agent.home.index, part)
    parts.set(part.id, made)
    // Two homes never share a part, whatever a row says.
    if (made.agents.some(({ home }) => home !== agent.home)) continue
    enterGroup(agent, made)
    if (group !== null) resumeGroup(made, group)
  }
  return [...parts.values()]
}
