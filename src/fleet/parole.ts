/**
 * The second way out of every wait. An agent in backoff or quarantine comes back because a timer, a trial or the
 * governor brings it back, and one that is to be started gets a cell; this looks once a minute, by a timer of its own,
 * whether each of them still has one that does. Whose time has come twice in a row, and who waits for nothing at all,
 * is given its way out here, as the first would have done, and people are told: it is a fault of ours, but nobody stays
 * away for it.
 */
import { every, remainingMs, type Clock } from '../std/std.ts'
import type { Agent, Due, Group, Live } from './live.ts'
import { groupName } from './governor/name.ts'
import { endTrial, groupDue, ownDue, rise } from './loss.ts'
import { bandsLate } from './order/strategy.ts'
import { waitsFor } from './order/starts.ts'
import { placeIn } from './order/state.ts'
import { formatAgents } from './range.ts'
import { notify } from './wiring.ts'

const lookEveryMs = 60_000
/** Less late than this is nobody forgotten: our loop had other things to do. */
const lateMs = 30_000

/** Whoever waits too long, and what lets it go. */
export interface Late {
  readonly who: string
  readonly agents: readonly Agent[]
  go(): void
}

const isOver = (live: Live, due: Due): boolean =>
  remainingMs(live.options.clock.stamp(), due.set, due.delayMs + lateMs) <= 0

/** Kept away by a decision of ours: neither a person's order, nor the configuration, nor a renewal keeps it. */
const isAway = ({ state, ordered, leaving, renewing }: Agent): boolean =>
  (state === 'backoff' || state === 'quarantined') && ordered === null && !leaving && !renewing

const lateAgents = (live: Live): Late[] =>
  [...live.agents.values()].flatMap((agent): Late[] => {
    if (!isAway(agent) || agent.hold === 'cell') return []
    const quarantine = agent.hold === 'band' ? placeIn(live.order, agent)?.band.quarantined : undefined
    if (quarantine === true || live.governor.holds(agent.id) !== undefined) return []
    if (agent.hold === 'own' && agent.due !== null && !isOver(live, agent.due)) return []
    const go = agent.hold === 'own' ? () => ownDue(live, agent) : () => rise(live, [agent], 'due')
    return [{ who: agent.id, agents: [agent], go }]
  })

/** A cell of it is about to be, and its end says what becomes of those who wait. */
const begins = ({ cell, agents }: Group): boolean =>
  (cell !== null && cell.phase !== 'ready') || agents.some(({ state }) => state === 'starting')

/** What would let those go that wait for this cell; undefined when it is on its way. */
const wayOut = (live: Live, group: Group): (() => void) | undefined => {
  if (group.due !== null) return isOver(live, group.due) ? () => groupDue(live, group) : undefined
  if (begins(group)) return undefined
  if (group.cancelTrial === null) return () => groupDue(live, group)
  return live.options.clock.monoMs() > group.trialMs + lateMs ? () => endTrial(live, group) : undefined
}

const lateGroups = (live: Live): Late[] =>
  live.groups.flatMap((group): Late[] => {
    const agents = group.agents.filter((agent) => agent.hold === 'cell' && isAway(agent))
    if (agents.length === 0 || live.governor.holds(groupName(group)) !== undefined) return []
    const go = wayOut(live, group)
    return go === undefined ? [] : [{ who: groupName(group), agents, go }]
  })

/** Whose time has come, and whom nobody gets into a cell. */
const lateStarts = (live: Live): Late[] =>
  live.groups.flatMap((group): Late[] => {
    const { governor, waves, options } = live
    // A cell that is on its way, or ends, asks for all of them.
    if (group.cell !== null && group.cell.phase !== 'ready') return []
    if (waves.has(group) || group.notBeforeMs > options.clock.monoMs()) return []
    if (governor.holds(groupName(group)) !== undefined) return []
    const agents = group.agents.filter(
      (agent) =>
        agent.state === 'starting' &&
        agent.cell === null &&
        waitsFor(live, agent) === null &&
        governor.holds(agent.id) === undefined,
    )
    return agents.length === 0
      ? []
      : [{ who: `${groupName(group)} starts`, agents, go: () => live.deeds.provide(group) }]
  })

const lateCauses = (live: Live): Late[] =>
  live.governor.late(lateMs).map((key): Late => ({
    who: key,
    agents: [...live.agents.values()].filter(
      (agent) => live.governor.holds(agent.hold === 'cell' ? groupName(agent.group) : agent.id)?.key === key,
    ),
    go: () => live.governor.wake(),
  }))

const allLate = (live: Live): Late[] => [
  ...lateCauses(live),
  ...lateGroups(live),
  ...lateStarts(live),
  ...bandsLate(live, (due) => isOver(live, due)),
  ...lateAgents(live),
]

const tell = (live: Live, late: readonly Late[]): void => {
  const agents = late.flatMap((one) => one.agents)
  const names = formatAgents(agents)
  notify(live, 'agent.overdue', 'error', {
    subject: agents.length === 1 ? agents[0]!.id : names,
    message: `${names}: should have been tried again before, and nobody did; tried now. This is a fault of the sitter`,
    facts: { agents: names, count: agents.length, waited: late.map(({ who }) => who).slice(0, 20) },
  })
}

/** Looks from now on, until it is stopped. */
export const openParole = (clock: Clock, its: () => Live): Live['parole'] => {
  let before: ReadonlySet<string> = new Set()
  const stop = every(clock, lookEveryMs, () => {
    const live = its()
    const late = allLate(live)
    // Twice in a row: a sitter that stood still finds everything late, and its timers about to fire.
    const lost = late.filter(({ who }) => before.has(who))
    before = new Set(late.map(({ who }) => who))
    if (lost.length === 0) return
    tell(live, lost)
    for (const { go } of lost) go()
  })
  return { stop }
}
