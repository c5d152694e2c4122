/**
 * How agents and cells go in order: no new work, time for what is in hand, then out of the cell; a cell whose agents
 * are all gone is drained and ended, which is nobody's loss. What is still in hand when the time is over is given back
 * without cost.
 */
import { move, refile, touch, unseat } from './agents.ts'
import { groupName } from './governor/name.ts'
import { dropBed } from './hibernate/bed.ts'
import { strike } from './hibernate/sleepers.ts'
import type { Agent, Group, Live, LiveCell } from './live.ts'
import { touchKeeper } from './loss.ts'
import { isDeserted, leaveGroup } from './parts.ts'
import { formatAgents } from './range.ts'
import { notify } from './wiring.ts'

/** Time for attempts in hand; the same that they have when the sitter stops. */
const drainMs = 30_000
const lookEveryMs = 100
/** Agents' own `stop` may take a second; the answer gets one more. */
const endWithinMs = 1_000
const afterwardsMs = 1_000

const hasWork = ({ attempt, taken, dozing }: Agent): boolean => attempt !== null || taken || dozing

/** Calls `over` when none of the agents has work in hand, or when the time for it is over. */
export const whenIdle = (live: Live, agents: () => readonly Agent[], over: () => void): void => {
  const untilMs = live.options.clock.monoMs() + drainMs
  const look = (): void => {
    if (live.phase !== 'open') return
    if (agents().some(hasWork) && live.options.clock.monoMs() < untilMs) live.agenda.after(lookEveryMs, look)
    else over()
  }
  look()
}

/** A group that has no agents any more: its cell is drained and ended. Resolves when the process is gone. */
export const endGroup = async (live: Live, group: Group, why: string): Promise<void> => {
  const place = live.groups.indexOf(group)
  if (place >= 0) live.groups.splice(place, 1)
  live.apart.parts.delete(group)
  live.waves.withdraw(group)
  live.governor.leave(groupName(group))
  group.cancelDue?.()
  group.cancelTrial?.()
  group.quarantined = false
  if (group.cell !== null) await endCell(live, group.cell, why)
}

/** A cell in which nobody lives any more: it is drained and ended, and that is nobody's loss. */
export const endCell = async (live: Live, cell: LiveCell, why: string): Promise<void> => {
  cell.vacated = true
  const drains = cell.phase === 'ready'
  cell.phase = 'ending'
  if (drains) {
    const drained = cell.cell!.ask('drain', { withinMs: endWithinMs }, endWithinMs + afterwardsMs)
    await Promise.race([drained.catch(() => undefined), cell.ended.promise])
  }
  live.deeds.kill(cell, why)
  await cell.ended.promise
}

const remove = (live: Live, agents: readonly Agent[], cause: string): void => {
  const groups = new Set<Group>()
  for (const agent of agents) {
    const { cell, group, home } = agent
    unseat(live, agent, { cause, collateral: true })
    agent.cancelDue?.()
    agent.cancelDue = null
    agent.due = null
    agent.hold = null
    if (agent.state !== 'stopped') move(live, agent, 'stop', cause)
    if (agent.state === 'stopping') move(live, agent, 'ended')
    touch(live, agent)
    strike(live, agent)
    dropBed(live, agent)
    live.agents.delete(agent.id)
    leaveGroup(agent)
    if (cell?.phase === 'ready' && group.agents.length > 0) live.deeds.vacate(cell, agent, cause)
    groups.add(group).add(home)
  }
  for (const group of groups) {
    if (isDeserted(group) && live.groups.includes(group)) void endGroup(live, group, cause)
    else touchKeeper(live, group)
  }
}

/** These agents are not wanted any more: each goes as soon as it has nothing in hand. */
export const leave = (live: Live, agents: readonly Agent[], actor: string): void => {
  const cause = `no longer in the configuration (${actor})`
  const leaving = agents.filter((agent) => !agent.leaving)
  if (leaving.length === 0) return
  for (const agent of leaving) {
    agent.leaving = true
    agent.reason = cause
    refile(live, agent)
  }
  notify(live, 'agent.leaving', 'info', {
    subject: leaving.length === 1 ? leaving[0]!.id : leaving[0]!.type,
    message: `${formatAgents(leaving)}: ${cause}`,
    facts: { agents: formatAgents(leaving), count: leaving.length, drainMs },
  })
  const untilMs = live.options.clock.monoMs() + drainMs
  const look = (): void => {
    if (live.phase !== 'open') return
    const late = live.options.clock.monoMs() >= untilMs
    // Who was taken back meanwhile stays.
    const still = leaving.filter((agent) => agent.leaving && live.agents.get(agent.id) === agent)
    const going = still.filter((agent) => late || !hasWork(agent))
    remove(live, going, cause)
    if (still.length > going.length) live.agenda.after(lookEveryMs, look)
  }
  look()
}
