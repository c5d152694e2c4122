/**
 * What people order: restart and release. Each order is audited with its actor and what became of it, in one commit.
 */
import { formatAgent, type AgentRef } from '../model/model.ts'
import { Failure } from '../std/std.ts'
import { move, unseat } from './agents.ts'
import { dropBed } from './hibernate/bed.ts'
import type { Agent, Live } from './live.ts'
import { rise, touchKeeper, waitGroup } from './loss.ts'
import { excuse } from './order/starts.ts'
import { formatAgents } from './range.ts'
import { beginAnew } from './renew.ts'
import { asProbe, freshPolicy } from './restart.ts'
import type { Surge } from './rolling/state.ts'
import { notify } from './wiring.ts'

/** @throws Failure `not-found` for the first that is no agent; nothing was done then. */
export const known = (live: Live, refs: readonly AgentRef[]): Agent[] =>
  refs.map((ref) => {
    const agent = live.agents.get(formatAgent(ref))
    if (agent === undefined) throw new Failure('not-found', `there is no agent ${formatAgent(ref)}`)
    return agent
  })

const order = (
  live: Live,
  actor: string,
  action: 'agent.restart' | 'agent.release',
  agents: readonly Agent[],
): void => {
  const names = formatAgents(agents)
  const subject = agents.length === 1 ? agents[0]!.id : names
  live.record.audit({ actor, action, object: names, decision: 'done', facts: { count: agents.length } })
  notify(live, action === 'agent.restart' ? 'agent.restart-ordered' : 'agent.released', 'info', {
    subject,
    message: `${names}: ${action === 'agent.restart' ? 'restart ordered' : 'released'} by ${actor}`,
    facts: { by: actor, agents: names, count: agents.length },
  })
}

/**
 * A person's word goes before any backoff and any hold; a quarantined cell is tried at once, with these agents as its
 * probe.
 */
export const hurry = (agents: readonly Agent[]): void => {
  for (const agent of agents) {
    const { group } = agent
    agent.diedOf = null
    if (group.cell?.phase !== 'ready') group.goesFirst = true
    group.notBeforeMs = -Infinity
    if (group.quarantined) group.policy = asProbe(group.policy)
  }
}

export const assertOpen = (live: Live): void => {
  if (live.phase !== 'open') throw new Failure('conflict', 'the fleet is stopping')
}

const takeOut = (live: Live, agent: Agent, actor: string): 'start' | 'release' => {
  if (agent.state === 'paused') standDown(live, agent, `restarted by ${actor}`)
  if (agent.state === 'stopped') return 'start'
  if (agent.state === 'backoff' || agent.state === 'quarantined') return 'release'
  const { cell } = agent
  unseat(live, agent, { cause: `restarted by ${actor}`, collateral: true })
  if (cell?.phase === 'ready') live.deeds.vacate(cell, agent, `restarted by ${actor}`)
  move(live, agent, 'lost', `restarted by ${actor}`)
  return 'release'
}

/**
 * Out of its cell and stopped, whatever it was doing; a cell in which nobody is left ends. What it had in hand is lost
 * without cost.
 */
export const standDown = (live: Live, agent: Agent, reason: string): void => {
  // Its state first: a cell that ends at once must find nobody who wants another one.
  move(live, agent, 'stop', reason)
  leaveCell(live, agent, reason)
  if (agent.state === 'stopping') move(live, agent, 'ended')
}

export const leaveCell = (live: Live, agent: Agent, reason: string, charged = false): void => {
  const { cell } = agent
  unseat(live, agent, { cause: reason, collateral: !charged })
  if (cell === null || cell.gone) return
  if (cell.agents.size > 0) {
    if (cell.phase === 'ready') live.deeds.vacate(cell, agent, reason)
    return
  }
  cell.vacated = true
  live.deeds.kill(cell, reason)
  const { group } = cell
  group.cancelTrial?.()
  group.cancelTrial = null
  // It was the probe for which the others wait: the next one has its turn.
  if (group.quarantined && group.due === null)
    waitGroup(live, group, { set: live.options.clock.stamp(), delayMs: 0 }, 0)
}

/** Types with hosts, all of whose agents are meant. */
const wholeTypes = (live: Live, agents: readonly Agent[]): ReadonlySet<string> => {
  const types = [...Map.groupBy(agents, (agent) => agent.type)].filter(([type, named]) => {
    const all = [...live.agents.values()].filter((agent) => agent.type === type && !agent.leaving)
    const meant = new Set(named)
    return live.types.get(type)?.run.module !== undefined && all.every((agent) => meant.has(agent))
  })
  return new Set(types.map(([type]) => type))
}

/**
 * A new incarnation of each, now; attempts in hand are lost without cost. In a pool an agent stays in its host, with
 * the code that the host has loaded; all agents of a type mean its hosts, which begin anew one part after the other.
 * Resolves when the order is durable, not when they are back.
 * @throws Failure `not-found`, `conflict` while stopping, or when all of them sleep.
 */
export const restartAgents = async (live: Live, refs: readonly AgentRef[], actor: string): Promise<void> => {
  const named = known(live, refs)
  assertOpen(live)
  if (named.length === 0) return
  excuse(live, new Set(named.map(({ type }) => type)))
  const all = live.deeds.withMates(named)
  // Who sleeps begins anew when it is woken: a machine that was kept is kept no longer.
  const agents = all.filter(({ state }) => state !== 'hibernating')
  const kept = all.filter(({ state, bed }) => state === 'hibernating' && bed !== null)
  if (agents.length + kept.length === 0)
    throw new Failure('conflict', `${formatAgents(all)}: asleep, and begins anew when woken; \`start\` wakes it`)
  order(live, actor, 'agent.restart', [...agents, ...kept])
  for (const agent of kept) dropBed(live, agent)
  // Of those alone that were named: mates come with them, and their types are not meant.
  const meant = new Set(named)
  const whole = wholeTypes(
    live,
    agents.filter((agent) => meant.has(agent)),
  )
  for (const type of whole) beginAnew(live, type, `restarted by ${actor}`)
  // Whom a person had stopped or paused is brought back first, wherever its turn comes; and who waited with its group,
  // which is held no longer: those before it may not be started without it.
  const single = agents.filter((agent) => !whole.has(agent.type) || agent.ordered !== null || agent.hold === 'band')
  hurry(single)
  const events = single.map((agent) => ({ agent, event: takeOut(live, agent, actor) }))
  for (const event of ['start', 'release'] as const) {
    rise(
      live,
      events.filter((one) => one.event === event).map((one) => one.agent),
      event,
    )
  }
  await live.record.flush()
}

/**
 * All agents of a type begin anew part after part, whatever kind of cell they have: at most `surge` are away at once,
 * and the next ones go when those before them work again.
 * @throws Failure `not-found`, `conflict` while stopping.
 */
export const rollType = async (live: Live, type: string, surge: Surge | null, actor: string): Promise<void> => {
  const agents = [...live.agents.values()].filter((agent) => agent.type === type && !agent.leaving)
  if (agents.length === 0) throw new Failure('not-found', `there is no agent of type ${type}`)
  assertOpen(live)
  order(live, actor, 'agent.restart', agents)
  excuse(live, new Set([type]))
  beginAnew(live, type, `restarted by ${actor}`, surge)
  await live.record.flush()
}

/**
 * A person says that the cause is mended: what a cell remembers of its losses, and how late its next probe would be, is
 * forgotten with what its agents remember. When all that wait for it are released its quarantine is over; else those
 * that are released are its probe, and the others follow when it proves stable.
 */
const forgive = (live: Live, agents: readonly Agent[]): void => {
  const released = new Set(agents)
  for (const group of new Set(agents.map((agent) => agent.group))) {
    if (!group.quarantined && !group.agents.some((agent) => agent.hold === 'cell' && released.has(agent))) continue
    group.quarantined &&= group.agents.some((agent) => agent.hold === 'cell' && !released.has(agent))
    group.policy = group.quarantined ? asProbe(freshPolicy) : freshPolicy
    if (!group.quarantined) {
      group.cancelDue?.()
      group.cancelDue = null
      group.due = null
    }
    touchKeeper(live, group)
  }
}

/**
 * Ends the quarantine (or backoff) of each, with a clean slate for it and its cell; others are left alone.
 * @throws Failure `not-found`; `conflict` when none of them waits, or while stopping.
 */
export const releaseAgents = async (live: Live, refs: readonly AgentRef[], actor: string): Promise<void> => {
  const named = known(live, refs)
  assertOpen(live)
  const agents = live.deeds
    .withMates(named)
    .filter((agent) => agent.state === 'quarantined' || agent.state === 'backoff')
  if (agents.length === 0) throw new Failure('conflict', 'none of these agents is quarantined')
  order(live, actor, 'agent.release', agents)
  hurry(agents)
  forgive(live, agents)
  for (const agent of agents) {
    agent.policy = freshPolicy
    agent.reason = `released by ${actor}`
  }
  rise(live, agents, 'release')
  await live.record.flush()
}
