/**
 * Agents that live apart from their cell-mates, because their cell died more than once and one of them may be the
 * cause: made here, and led home one at a time when they have proven themselves. What decides is split.ts.
 */
import { move, refile, touch, unseat } from './agents.ts'
import { groupName } from './governor/name.ts'
import type { Agent, Group, Live, LiveCell, Part, PartAsk } from './live.ts'
import { rise, touchKeeper, waitGroup } from './loss.ts'
import { enterGroup, groupOf } from './parts.ts'
import { freshPolicy } from './restart.ts'
import { mayGoHome } from './split.ts'
import { notify } from './wiring.ts'

/** While somebody lives apart. */
const lookEveryMs = 250
/** An agent's `stop` may take a second. */
const stopMs = 1_500

const dueIn = (live: Live, delayMs: number): NonNullable<Group['due']> => ({
  set: live.options.clock.stamp(),
  delayMs,
})

const forget = (group: Group): void => {
  group.cancelDue?.()
  group.cancelTrial?.()
  group.cancelDue = null
  group.cancelTrial = null
  group.due = null
  group.notBeforeMs = -Infinity
}

const drop = (live: Live, part: Group): void => {
  live.apart.parts.delete(part)
  live.governor.leave(groupName(part))
  const place = live.groups.indexOf(part)
  if (place >= 0) live.groups.splice(place, 1)
}

/** Parts these agents of a lost cell from their group; each part is started by the waves, like any cell. */
export const partGroup = (live: Live, group: Group, ask: PartAsk): void => {
  const { proofMs, named, delayMs, cohorts } = ask
  for (const cohort of cohorts) {
    const id = live.options.newId('cel')
    const part: Part = { id, proofMs, named, sinceMs: live.options.clock.wallMs() }
    const made = groupOf(group.settings, group.index, part)
    for (const agent of cohort) enterGroup(agent, made)
    made.lostMs = group.lostMs
    made.diedOf = group.diedOf
    live.apart.parts.add(made)
    live.groups.push(made)
    if (cohort.some((agent) => agent.hold === 'cell')) waitGroup(live, made, dueIn(live, delayMs), delayMs)
    for (const agent of cohort) touch(live, agent)
    live.deeds.provide(made)
  }
  if (group.agents.length > 0) return touchKeeper(live, group)
  // Whoever comes back finds a home without a past: each has proven itself.
  forget(group)
  group.policy = freshPolicy
  group.quarantined = false
  group.deaths = []
  group.diedOf = null
  group.lostMs = null
  if (group.part === null) touchKeeper(live, group)
  else drop(live, group)
}

/** It ends itself, or is ended. A timer that was held up says nothing of the cell: it was held up with everything. */
const bury = (live: Live, cell: LiveCell): void => {
  const { clock } = live.options
  const sinceMs = clock.monoMs()
  const look = (): void =>
    clock.monoMs() - sinceMs > 2 * stopMs ? bury(live, cell) : live.deeds.kill(cell, 'its agents went home')
  cell.timers.add(live.agenda.after(stopMs, look))
}

/** Nobody is left in this part. */
const dissolve = (live: Live, part: Group): void => {
  drop(live, part)
  forget(part)
  const { cell } = part
  if (cell === null) return
  cell.vacated = true
  bury(live, cell)
}

const enterHome = (live: Live, agent: Agent): void => {
  const part = agent.group
  enterGroup(agent, agent.home)
  touch(live, agent)
  if (part.agents.length > 0) touchKeeper(live, part)
  else dissolve(live, part)
}

/** From an idle seat in its part to one at home: a new incarnation, but no restart. */
const goHome = (live: Live, agent: Agent): void => {
  const { cell } = agent
  unseat(live, agent, { cause: 'it goes home', collateral: true })
  cell?.cell?.send([{ jsonrpc: '2.0', method: 'unseat', params: { agents: [agent.id] } }])
  agent.reason = null
  move(live, agent, 'stop')
  move(live, agent, 'ended')
  const part = agent.group
  const { named, sinceMs } = part.part!
  enterHome(live, agent)
  live.apart.returning.set(agent.home, agent)
  rise(live, [agent], 'start')
  if (part.agents.length > 0) return
  const left = [...live.apart.parts].filter(({ agents }) => agents[0]!.home === agent.home)
  notify(live, 'cell.rejoined', 'info', {
    subject: agent.id,
    message: `${agent.id} is the last of its part to go home; ${left.length} parts of ${agent.type} are left there`,
    facts: { named, apartMs: live.options.clock.wallMs() - sinceMs, partsLeft: left.length },
  })
}

/**
 * A home that stands, or is empty: nobody is sent into one that waits for a restart or a probe, or that another
 * configuration has taken away.
 */
const takesIn = (live: Live, home: Group): boolean => {
  const { quarantined, due, cell } = home
  if (quarantined || due !== null || !live.groups.includes(home)) return false
  return cell === null || (cell.phase === 'ready' && !cell.suspect && cell.recycling === null)
}

const lookAt = (live: Live, home: Group, agents: readonly Agent[]): void => {
  const nowMs = live.options.clock.monoMs()
  const returning = live.apart.returning.get(home)
  if (returning?.group === home && returning.state === 'starting') return
  live.apart.returning.delete(home)
  if (!takesIn(live, home)) return
  // What is stopped for good has no cell to prove itself in, and no seat to give up.
  for (const agent of agents) if (agent.state === 'stopped') enterHome(live, agent)
  const may = agents.filter(
    ({ state, readyMs, group: { part }, leaving, renewing }) =>
      (state === 'idle' || state === 'busy') &&
      !leaving &&
      !renewing &&
      mayGoHome({ nowMs, readyMs, proofMs: part?.proofMs ?? Infinity }),
  )
  const next = may.find((agent) => agent.state === 'idle' && !agent.taken && agent.attempt === null)
  if (next !== undefined) return goHome(live, next)
  if (may.length === 0 || may.some(({ called }) => called)) return
  // All are at work: one gets no more when it has finished.
  may[0]!.called = true
  refile(live, may[0]!)
}

/** Looks after those that live apart, for as long as somebody does. */
export const tendApart = (live: Live): void => {
  if (live.apart.cancelLook !== null || live.phase !== 'open' || live.apart.parts.size === 0) return
  live.apart.cancelLook = live.agenda.after(lookEveryMs, () => {
    live.apart.cancelLook = null
    if (live.phase !== 'open') return
    const agents = [...live.apart.parts].flatMap((part) => part.agents)
    for (const [home, apart] of Map.groupBy(agents, (agent) => agent.home)) lookAt(live, home, apart)
    tendApart(live)
  })
}
