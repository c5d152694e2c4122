/**
 * Who there is: agents and groups from the configuration, and what the last sitter knew about each. A sitter's death
 * costs nobody anything: whoever was at work starts again at once; who waited in backoff or quarantine goes on waiting,
 * never longer than before.
 */
import { noUse } from './useful.ts'
import { formatAgent, type AgentType, type Mode } from '../model/model.ts'
import type { Stamp } from '../std/std.ts'
import type { AgentRow } from '../store/store.ts'
import { placeOf } from './free.ts'
import type { Agent, Group } from './live.ts'
import { freshPolicy } from './restart.ts'
import { groupOf, resumeGroup, resumeParts } from './parts.ts'
import { nothingSaved, readSaved, type Saved } from './saved.ts'

export interface Roster {
  readonly agents: Map<string, Agent>
  /** Parts of homes among them, as the last sitter had made them. */
  readonly groups: Group[]
  /** Rows of agents that the configuration no longer has; to be saved as stopped. */
  readonly retired: readonly AgentRow[]
  /** Agents whose saved policy could not be read: they begin with a clean slate. */
  readonly unreadable: readonly string[]
}

export const modeOf = ({ overrides }: AgentType, id: string): Mode => overrides[id]?.mode ?? 'active'

const agentOf = (settings: AgentType, number: number, group: Group, wallMs: number): Agent => {
  const id = formatAgent({ type: settings.name, number })
  const made: Omit<Agent, 'place'> = {
    id,
    type: settings.name,
    number,
    settings,
    home: group,
    group,
    kills: [],
    diedOf: null,
    lostBy: null,
    called: false,
    mode: modeOf(settings, id),
    state: 'stopped',
    epoch: 0,
    sinceMs: wallMs,
    restarts: 0,
    reason: null,
    policy: freshPolicy,
    hold: null,
    ordered: null,
    due: null,
    cancelDue: null,
    cell: null,
    mark: 0,
    seatedMs: 0,
    readyMs: null,
    progressed: false,
    finishedMs: null,
    seen: null,
    workedMs: null,
    useful: noUse,
    taken: false,
    dozing: false,
    bed: null,
    takenMs: -Infinity,
    restMs: -Infinity,
    idleMs: 0,
    attempt: null,
    lastAttempt: null,
    leaving: false,
    renewing: false,
    lastCells: [],
  }
  const agent = made as Agent
  Object.assign(agent, { place: placeOf(agent) })
  return agent
}

/**
 * Puts an agent where the last sitter left it: as a person ordered, waiting as before, or `stopped`, to be started.
 */
const resume = (agent: Agent, row: AgentRow, saved: Saved): void => {
  agent.epoch = row.epoch
  agent.restarts = row.restarts
  agent.policy = saved.policy
  agent.lastCells = saved.lastCells
  agent.kills = saved.kills
  if (saved.ordered !== null) {
    agent.state = saved.ordered
    agent.ordered = saved.ordered
    agent.sinceMs = row.sinceMs
    agent.reason = row.reason
    return
  }
  if (row.state === 'hibernating') {
    agent.state = row.state
    agent.sinceMs = row.sinceMs
    agent.bed = saved.bed
    return
  }
  if (row.state !== 'backoff' && row.state !== 'quarantined') return
  // Its group may not be in quarantine any more: the order of starts decides (order/resume.ts).
  if (saved.hold === 'band') {
    agent.hold = 'band'
    agent.reason = row.reason
    return
  }
  const due = saved.hold === 'cell' ? agent.group.due : saved.due
  if (due === null) return
  agent.state = row.state
  agent.sinceMs = row.sinceMs
  agent.reason = row.reason
  agent.hold = saved.hold ?? 'own'
  agent.due = saved.hold === 'cell' ? null : due
}

/** A quarantine without a time had its probe running: the next sitter probes at once. */
const probeAtOnce = (group: Group, now: Stamp): void => {
  if (group.quarantined) group.due ??= { set: now, delayMs: 0 }
}

type Register = Pick<Roster, 'agents' | 'groups'>

/** Puts agents of a type into groups: `perCell` of them share a cell, a program has one of its own. */
export const enrol = (
  { agents, groups }: Register,
  settings: AgentType,
  numbers: readonly number[],
  wallMs: number,
): Agent[] => {
  let group = groups.findLast((one) => one.settings === settings && one.part === null)
  return numbers.map((number) => {
    // Who lives apart keeps a place.
    if (group === undefined || group.members.length >= Math.max(1, settings.perCell)) {
      group = groupOf(settings, groups.length)
      groups.push(group)
    }
    const agent = agentOf(settings, number, group, wallMs)
    group.agents.push(agent)
    group.members.push(agent)
    agents.set(agent.id, agent)
    return agent
  })
}

interface Read {
  readonly agent: Agent
  readonly row: AgentRow
  readonly saved: Saved
}

/** What the record knows of agents is theirs again; gives the rows that are nobody's, and what cannot be read. */
const resumeAll = (
  { agents, groups }: Register,
  rows: readonly AgentRow[],
  now: Stamp,
): Pick<Roster, 'retired' | 'unreadable'> => {
  const retired: AgentRow[] = []
  const unreadable: string[] = []
  const read: Read[] = []
  for (const row of rows) {
    const agent = agents.get(formatAgent(row))
    if (agent === undefined) {
      retired.push(row)
      continue
    }
    const saved = readSaved(row.policy, now)
    if (saved === undefined) unreadable.push(agent.id)
    read.push({ agent, row, saved: saved ?? nothingSaved })
  }
  // Groups first: an agent that is held by its group waits as long as the group does.
  for (const { agent, saved } of read)
    if (saved.group !== null && agent.home.members[0] === agent) resumeGroup(agent.home, saved.group)
  groups.push(...resumeParts(read))
  for (const { agent } of read) probeAtOnce(agent.group, now)
  for (const { agent, row, saved } of read) resume(agent, row, saved)
  return { retired, unreadable }
}

export const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** Agents are numbered from 1; the first `perCell` of a type share the first cell. */
export const openRoster = (
  types: Readonly<Record<string, AgentType>>,
  rows: readonly AgentRow[],
  now: Stamp,
): Roster => {
  const register: Register = { agents: new Map(), groups: [] }
  for (const settings of Object.values(types)) enrol(register, settings, numbersTo(settings.count), now.wallMs)
  return { ...register, ...resumeAll(register, rows, now) }
}
