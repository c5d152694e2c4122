/**
 * Another set of agent types for a fleet that runs. What each change means is decided by `agentTypeChanges`, which also
 * made the plan that people have read; here it is done: types and agents that are new start in waves, surplus ones
 * leave, and of those that stay only those begin anew whose settings hold from the start of a process.
 */
import { agentTypeChanges, formatAgent, type AgentType } from '../model/model.ts'
import { canonicalJson, Failure } from '../std/std.ts'
import type { AgentRow } from '../store/store.ts'
import { refile, touch } from './agents.ts'
import { announce } from './fence.ts'
import { FreeQueue } from './free.ts'
import { housingOf, tellHousing } from './housing.ts'
import { beginAsleep, enlist, openType, reviseType } from './hibernate/hibernate.ts'
import { leave } from './leave.ts'
import type { Agent, Group, Live } from './live.ts'
import { rise } from './loss.ts'
import { takeTypes } from './order/starts.ts'
import { beginPulse } from './pulse.ts'
import { renewType, staleness } from './renew.ts'
import { modeNow } from './modes/agents.ts'
import { enrol, numbersTo } from './roster.ts'
import { readSaved } from './saved.ts'
import { restock } from './standby.ts'

const agentsOf = (live: Live, type: string): Agent[] => [...live.agents.values()].filter((agent) => agent.type === type)

/** A group whose cell may stay takes the settings over as they are. */
const takeOver = (live: Live, group: Group, wanted: AgentType): void => {
  const before = group.settings
  group.settings = wanted
  const { cell } = group
  if (cell === null) return
  const sameCalls = before.upstreams.toString() === wanted.upstreams.toString()
  if (!sameCalls && cell.recorded && !cell.gone) announce(live, cell)
  const samePulse = before.heartbeatMs === wanted.heartbeatMs && before.stuckAfterMs === wanted.stuckAfterMs
  if (!samePulse && cell.phase === 'ready') beginPulse(live, cell)
}

/** An agent that stays, with the settings that its group has now; one that was on its way out is taken back. */
const keep = (live: Live, agent: Agent): void => {
  const { settings } = agent.group
  const comesBack = agent.leaving
  const mode = modeNow(live, settings, agent.id)
  const changes = comesBack || agent.mode !== mode
  Object.assign(agent, { settings, mode, leaving: false })
  if (settings === live.types.get(agent.type) && agent.group.anew === null) agent.renewing = false
  if (comesBack) agent.reason = null
  refile(live, agent)
  if (changes) touch(live, agent)
}

/** New agents; what the record knows of an earlier one of the same name is its epoch, so that no old frame passes. */
const add = (live: Live, wanted: AgentType, numbers: readonly number[], rows: readonly AgentRow[]): void => {
  const now = live.options.clock.stamp()
  const added = enrol(live, wanted, numbers, now.wallMs)
  const known = new Map(rows.map((row) => [formatAgent(row), row]))
  for (const agent of added) {
    agent.mode = modeNow(live, wanted, agent.id)
    const row = known.get(agent.id)
    if (row === undefined) continue
    const { epoch, restarts, policy } = row
    Object.assign(agent, { epoch, restarts, lastCells: readSaved(policy, now)?.lastCells ?? [] })
  }
  for (const agent of added) enlist(live, agent)
  if (wanted.hibernate === undefined) rise(live, added, 'start')
  else beginAsleep(live, added)
}

/** Said once, not at each change of something else. */
const tellIfNew = (live: Live, wanted: AgentType): void => {
  const before = live.types.get(wanted.name)
  const same = before && canonicalJson(housingOf(live, before)) === canonicalJson(housingOf(live, wanted))
  if (same !== true) tellHousing(live, wanted)
}

/** The agents of one type as they are wanted. */
const takeType = (live: Live, wanted: AgentType, rows: readonly AgentRow[], actor: string): void => {
  const { name, count } = wanted
  live.types.set(name, wanted)
  if (!live.free.has(name)) live.free.set(name, new FreeQueue<Agent>())
  if (wanted.hibernate !== undefined && !live.dormitory.types.has(name)) openType(live, name)
  const stale = staleness(wanted)
  for (const group of live.groups)
    if (group.settings.name === name && stale(group).length === 0) takeOver(live, group, wanted)
  const there = agentsOf(live, name)
  for (const agent of there) if (agent.number <= count) keep(live, agent)
  leave(
    live,
    there.filter(({ number }) => number > count),
    actor,
  )
  const numbers = new Set(there.map(({ number }) => number))
  const missing = numbersTo(count).filter((number) => !numbers.has(number))
  if (missing.length > 0) add(live, wanted, missing, rows)
  reviseType(live, name)
  void renewType(live, name)
}

/** @throws Failure `conflict` while stopping; nothing was done then. */
export const reconfigure = async (
  live: Live,
  types: Readonly<Record<string, AgentType>>,
  actor: string,
): Promise<void> => {
  const changes = agentTypeChanges(Object.fromEntries(live.types), types)
  const grows = changes.some(({ from, to }) => to > from)
  if (grows) await live.record.flush()
  const rows = grows ? await live.options.store.read.agents() : []
  if (live.phase !== 'open') throw new Failure('conflict', 'the fleet is stopping')
  const added = changes.flatMap(({ type, kind }) => (kind === 'added' ? [type] : []))
  takeTypes(live, types, added)
  for (const { type, kind } of changes) {
    if (kind !== 'removed') {
      tellIfNew(live, types[type]!)
      takeType(live, types[type]!, rows, actor)
      continue
    }
    live.types.delete(type)
    leave(live, agentsOf(live, type), actor)
  }
  restock(live)
}
