/**
 * Losses and returns. A lost agent goes by its own policy when it is to blame; when its cell died for another reason it
 * waits for its cell, and the cell's policy decides. A group whose cell dies too often is quarantined as a whole: one
 * agent of it is started as a probe, and when that proves itself the others follow.
 */
import type { CellEnd } from '../cell/cell.ts'
import { move, touch, unseat } from './agents.ts'
import type { Agent, Due, Group, Live, LiveCell } from './live.ts'
import { causeOf, examine, groupPolicy, isFromOutside, tellLoss, whyText, type Death } from './death.ts'
import { restartCause } from './figures.ts'
import { groupName } from './governor/name.ts'
import { agentRestart, groupRestart, ownPolicy, youngMs } from './governor/restarts.ts'
import { keeperOf } from './parts.ts'
import { formatAgents } from './range.ts'
import { afterLoss, asProbe, freshPolicy, settled, stableAfterMs, type Decision } from './restart.ts'
import { calmMs, isPartedAgain, mostParts, partingsAfter, partsAfter } from './split.ts'
import { endedWell, endWell } from './well.ts'
import { notify } from './wiring.ts'

/** Lost agents of one cell that get an event each; more share one. */
const mostSingleEvents = 10
/** Deaths that are remembered of a group, and of an agent: more than any decision asks for. */
const mostDeaths = 4

/** The group's own state has changed. */
export const touchKeeper = (live: Live, group: Group): void => {
  const keeper = keeperOf(group)
  if (keeper !== undefined) touch(live, keeper)
}

const dueIn = (live: Live, delayMs: number): Due => ({ set: live.options.clock.stamp(), delayMs })

export const forget = (live: Live, agent: Agent): void => {
  live.governor.leave(agent.id)
  agent.cancelDue?.()
  agent.cancelDue = null
  agent.due = null
  agent.hold = null
  agent.ordered = null
}

/**
 * A new incarnation of each: the epoch rises, so that frames of the old one are refused; then their group gets them a
 * seat.
 */
export const rise = (live: Live, agents: readonly Agent[], event: 'start' | 'due' | 'release'): void => {
  const groups = new Set<Group>()
  for (const agent of agents) {
    if (event === 'due' && agent.state === 'quarantined' && agent.hold === 'own') agent.policy = asProbe(agent.policy)
    forget(live, agent)
    agent.epoch += 1
    agent.readyMs = null
    agent.progressed = false
    agent.finishedMs = null
    agent.seen = null
    if (event !== 'start') {
      agent.restarts += 1
      live.counts.restarts += 1
      live.figures.restarted(agent.type, event === 'release' ? 'person' : (agent.lostBy ?? 'unknown'))
    }
    agent.lostBy = null
    move(live, agent, event)
    groups.add(agent.group)
  }
  for (const group of groups) live.deeds.provide(group)
}

/** The time of an agent that waits by itself has come. */
export const ownDue = (live: Live, agent: Agent): void => {
  if (live.phase !== 'open' || agent.hold !== 'own') return
  agent.cancelDue = null
  if (!agent.group.quarantined) {
    const start = (): void => rise(live, [agent], 'due')
    if (live.governor.admit(agent.diedOf, agentRestart(live, agent, ownPolicy(agent), start))) start()
    return
  }
  // Its cell is quarantined: from now on it waits for its cell.
  forget(live, agent)
  agent.hold = 'cell'
  if (agent.state === 'backoff') move(live, agent, 'quarantine')
  else touch(live, agent)
}

export const waitOwn = (live: Live, agent: Agent, due: Due, leftMs: number): void => {
  agent.hold = 'own'
  agent.due = due
  agent.cancelDue?.()
  agent.cancelDue = live.agenda.after(leftMs, () => ownDue(live, agent))
  touch(live, agent)
}

const obey = (live: Live, agent: Agent, decision: Decision, cause: string): void => {
  agent.policy = decision.state
  // A paused agent has nothing to come back for until a person says so.
  if (agent.ordered !== null) return move(live, agent, 'lost')
  if (decision.action === 'stop') {
    move(live, agent, 'stop', cause)
    if (agent.state === 'stopping') move(live, agent, 'ended')
    return
  }
  move(live, agent, 'lost', cause)
  if (decision.action === 'quarantine') {
    const policy = ownPolicy(agent)
    const why = whyText[decision.why](policy)
    move(live, agent, 'quarantine', `${why}; last: ${cause}`)
    const { losses, inARow, quarantines } = decision.state
    // Deaths that one agent is out of the way for are no sign of a cause that many have in common.
    live.governor.explained([agent.id, groupName(agent.group), groupName(agent.home)])
    notify(live, 'agent.quarantined', 'error', {
      subject: agent.id,
      message: `${agent.id} is quarantined: ${why}`,
      facts: {
        cause,
        why: decision.why,
        max: policy.max,
        withinMs: policy.withinMs,
        lossesInWindow: losses.length,
        inARow,
        quarantines,
        nextProbeInMs: decision.delayMs,
        cells: agent.lastCells,
      },
    })
  }
  waitOwn(live, agent, dueIn(live, decision.delayMs), decision.delayMs)
}

/** Charges agents that were taken out of their cell already. */
const charge = (live: Live, agents: readonly Agent[], cause: string): void => {
  const nowMs = live.options.clock.monoMs()
  for (const agent of agents) {
    const life = { readyMs: agent.readyMs, progressed: agent.progressed }
    const policy = ownPolicy(agent)
    agent.diedOf = policy.type === 'temporary' ? null : live.governor.died(cause, agent.id, { before: agent.diedOf })
    obey(live, agent, afterLoss(policy, agent.policy, { nowMs, life, counts: true }, live.options.random), cause)
  }
  if (agents.length > mostSingleEvents) {
    notify(live, 'agent.lost', 'warn', {
      subject: agents[0]!.id,
      message: `${formatAgents(agents)} lost: ${cause}`,
      facts: { cause, agents: formatAgents(agents), count: agents.length },
    })
    return
  }
  for (const agent of agents) {
    notify(live, 'agent.lost', 'warn', {
      subject: agent.id,
      message: `${agent.id} lost: ${cause}`,
      facts: {
        cause,
        state: agent.state,
        epoch: agent.epoch,
        cell: agent.lastCells[0] ?? null,
        inARow: agent.policy.inARow,
        lossesInWindow: agent.policy.losses.length,
        nextInMs: agent.due?.delayMs ?? null,
      },
    })
  }
}

/** Agents of a living cell, lost through their own fault: the cell goes on without them. */
export const agentsLost = (live: Live, agents: readonly Agent[], cause: string): void => {
  const nowMs = live.options.clock.monoMs()
  for (const agent of agents) {
    const cell = agent.cell
    cell?.named.set(agent.id, nowMs)
    agent.lostBy = 'broken'
    unseat(live, agent, { cause, collateral: false })
    if (cell !== null) live.deeds.vacate(cell, agent, cause)
  }
  charge(live, agents, cause)
  live.deeds.fell(agents, cause)
}

export const groupDue = (live: Live, group: Group): void => {
  group.cancelDue = null
  if (live.phase !== 'open') return
  const start = (): void => {
    groupRises(live, group)
    // Who was let go meanwhile waits for the same hold, which calls this one alone.
    live.deeds.provide(group)
  }
  if (live.governor.admit(group.diedOf, groupRestart(live, group, start))) start()
}

export const groupRises = (live: Live, group: Group): void => {
  group.due = null
  const held = group.agents.filter((agent) => agent.hold === 'cell')
  const probe = held[(group.policy.quarantines - 1) % Math.max(1, held.length)]
  if (!group.quarantined || probe === undefined) {
    group.quarantined = false
    return rise(live, held, 'due')
  }
  group.policy = asProbe(group.policy)
  notify(live, 'agent.probed', 'info', {
    subject: probe.id,
    message: `${probe.id} is started alone, to see whether its cell holds`,
    facts: { agents: formatAgents(held), count: held.length, quarantines: group.policy.quarantines },
  })
  for (const agent of held) if (agent !== probe) touch(live, agent)
  rise(live, [probe], 'due')
  // It is seated in a cell that lives.
  if (group.cell?.phase === 'ready') beginTrial(live, group)
}

/**
 * A delay of zero is no wait: the group rises in the turn of its loss, so that loss and new epochs share one commit,
 * and no tick of a timer lies between them.
 */
export const dueAtOnce = (live: Live, group: Group): void => {
  if (group.due?.delayMs !== 0) return
  group.cancelDue?.()
  groupDue(live, group)
}

export const waitGroup = (live: Live, group: Group, due: Due, leftMs: number): void => {
  group.due = due
  group.notBeforeMs = live.options.clock.monoMs() + leftMs
  group.cancelDue?.()
  group.cancelDue = live.agenda.after(leftMs, () => groupDue(live, group))
  touchKeeper(live, group)
}

/** The cell has proven itself: what its quarantine held is started, and its own counters settle. */
export const proven = (live: Live, group: Group): void => {
  group.cancelTrial?.()
  group.cancelTrial = null
  if (!group.quarantined || live.phase !== 'open') return
  // Work is proof for good; having lived for a while lets the others go, and what comes next is still held against it.
  const life = { readyMs: group.cell?.readyMs ?? null, progressed: group.cell?.progressed ?? false }
  group.policy = settled(groupPolicy(group), group.policy, life, live.options.clock.monoMs())
  group.quarantined = false
  group.cancelDue?.()
  group.cancelDue = null
  group.due = null
  touchKeeper(live, group)
  const held = group.agents.filter((agent) => agent.hold === 'cell')
  notify(live, 'agent.released', 'info', {
    subject: group.cell?.id ?? group.agents[0]!.id,
    message: `${formatAgents(held)} released: the probe of their cell proved stable`,
    facts: { by: 'probe', agents: formatAgents(held), count: held.length },
  })
  rise(live, held, 'due')
}

/** Its time is over. A cell in which nobody is left, for its probe was lost by its own fault, has proven nothing. */
export const endTrial = (live: Live, group: Group): void => {
  group.cancelTrial = null
  if ((group.cell?.agents.size ?? 0) > 0) proven(live, group)
  else groupDue(live, group)
}

/** Gives a quarantined group its chance: stable for long enough, and the rest follows. */
export const beginTrial = (live: Live, group: Group): void => {
  if (!group.quarantined) return
  group.cancelTrial?.()
  const stableMs = stableAfterMs(groupPolicy(group), group.policy)
  group.trialMs = live.options.clock.monoMs() + stableMs
  group.cancelTrial = live.agenda.after(stableMs, () => endTrial(live, group))
}

/** Agents that wait for their cell, at what its policy decided. */
const hold = (live: Live, group: Group, agents: readonly Agent[], ask: { decision: Decision; cause: string }): void => {
  const { decision, cause } = ask
  for (const agent of agents) {
    if (agent.ordered !== null) {
      move(live, agent, 'lost')
      continue
    }
    if (ownPolicy(agent).type === 'temporary') {
      obey(live, agent, { action: 'stop', state: agent.policy }, cause)
      continue
    }
    if (agent.state !== 'backoff' && agent.state !== 'quarantined') move(live, agent, 'lost', cause)
    if (decision.action === 'quarantine' && agent.state !== 'quarantined') move(live, agent, 'quarantine', cause)
    agent.hold = 'cell'
    touch(live, agent)
  }
  group.policy = decision.state
  group.quarantined = decision.action === 'quarantine'
  if (decision.action !== 'stop') waitGroup(live, group, dueIn(live, decision.delayMs), decision.delayMs)
}

/** Neither seated nor waiting for a time of its own. */
const waitsForCell = (agent: Agent): boolean =>
  agent.state === 'starting' || (agent.state === 'backoff' && agent.hold === 'cell')

/** Parts that cost a cell: what waits in quarantine has none. */
const partsInUse = (live: Live): number =>
  [...live.apart.parts].filter(({ agents }) => agents.some(({ state }) => state !== 'quarantined')).length

/** Remembers a death that was the cell's own doing: with whom it is named, else with the group. */
const remember = (live: Live, group: Group, culprit: Agent | undefined): void => {
  const nowMs = live.options.clock.monoMs()
  const { withinMs } = group.settings.restart
  const add = (times: readonly number[], forMs: number): readonly number[] =>
    [...times.filter((atMs) => atMs >= nowMs - forMs), nowMs].slice(-mostDeaths)
  if (culprit === undefined) group.deaths = add(group.deaths, withinMs)
  else culprit.kills = add(culprit.kills, Math.max(withinMs, calmMs(culprit.home.partings)))
}

const partsOf = (live: Live, cell: LiveCell, death: Death, members: readonly Agent[]): Agent[][] => {
  const { group } = cell
  const { blamed, ownDoing, seated } = death
  const [culprit] = blamed.size === 1 ? seated.filter(({ id }) => blamed.has(id)) : []
  if (ownDoing && blamed.size < 2) remember(live, group, culprit)
  const parts = partsAfter({
    agents: members.map(({ id }) => id),
    ownDoing: ownDoing && group.settings.restart.type !== 'temporary',
    parted: group.part !== null,
    again: isPartedAgain(group.partings, live.options.clock.monoMs()),
    unnamed: group.deaths.length,
    blamed: [...blamed],
    kills: culprit?.kills.length ?? 0,
    left: mostParts - partsInUse(live),
  })
  // Explained, all of them, by whom they are laid to.
  if (parts.length > 0) group.deaths = []
  return parts.map((part) => members.filter(({ id }) => part.includes(id)))
}

/** What a part has to prove, counted at its home. */
const proofOf = (live: Live, cell: LiveCell): number => {
  const { group } = cell
  const { home } = group.agents[0]!
  const nowMs = live.options.clock.monoMs()
  home.partings = partingsAfter(home.partings, {
    nowMs,
    lifeMs: nowMs - (cell.readyMs ?? nowMs),
    leastMs: stableAfterMs(groupPolicy(group), freshPolicy),
    beforeMs: group.part?.proofMs ?? 0,
  })
  touchKeeper(live, home)
  return home.partings.proofMs
}

/** As the governor knows it. Whoever hardly came up says something about all that are started like it. */
const diedOf = (live: Live, { group, readyMs, progressed }: LiveCell, cause: string): string => {
  const nowMs = live.options.clock.monoMs()
  const isYoung = !progressed && nowMs - (readyMs ?? nowMs) < youngMs
  const young = isYoung ? group.settings.name : null
  return live.governor.died(cause, groupName(group), { before: group.diedOf, young })
}

/** A cell is gone: who is charged, who waits for what, what was lost; told in one event with the evidence. */
export const cellLost = (live: Live, cell: LiveCell, ended: CellEnd): void => {
  const { group } = cell
  const nowMs = live.options.clock.monoMs()
  const fromOutside = isFromOutside(live, cell, ended)
  // What its host had seen of its agents explains no end that came from outside.
  const { witness, ...plainEnd } = ended
  const end: CellEnd = fromOutside || witness === undefined ? plainEnd : ended
  // Ended because nobody was left in it: whoever was taken out of it was judged then.
  if (cell.vacated && cell.agents.size === 0) return
  if (endedWell(cell, end)) return endWell(live, cell)
  const death = examine(cell, end, { nowMs, fromOutside })
  const isBlamed = (agent: Agent): boolean => death.blamed.has(agent.id)
  const cause = causeOf(cell, end)
  group.cancelTrial?.()
  group.cancelTrial = null
  group.lostMs ??= nowMs
  live.counts.cellsLost += 1
  const alone = death.atWork.length === 1
  for (const agent of death.seated) unseat(live, agent, { cause, collateral: !isBlamed(agent), alone })
  const life = { readyMs: cell.readyMs, progressed: cell.progressed }
  const loss = { nowMs, life, counts: death.blamed.size === 0, fromOutside }
  // Those that were about to join the cell, or wait for it already, share its fate.
  const joining = group.agents.filter((agent) => waitsForCell(agent) && !death.seated.includes(agent))
  const lostBy = restartCause(cell, end)
  for (const agent of [...death.seated, ...joining]) agent.lostBy = lostBy
  // Whom a person has paused stays where it is.
  const movable = death.seated.filter(({ ordered }) => ordered === null)
  group.diedOf = loss.counts && !fromOutside ? diedOf(live, cell, cause) : null
  // What kills many is nobody's among these: parting them would only start more of them.
  const common = live.governor.isHeld(group.diedOf)
  const parts = common ? [] : partsOf(live, cell, death, [...movable, ...joining])
  const proofMs = parts.length > 0 ? proofOf(live, cell) : null
  const plain = afterLoss(groupPolicy(group), group.policy, loss, live.options.random)
  // Parted, they are tried again; a quarantine would hold them all for one.
  const decision: Decision =
    proofMs !== null && plain.action === 'quarantine'
      ? { action: 'restart', delayMs: group.settings.restart.baseMs, state: group.policy }
      : plain
  const innocent = death.seated.filter((agent) => !isBlamed(agent))
  hold(live, group, decision.action === 'quarantine' ? [...innocent, ...joining] : innocent, { decision, cause })
  charge(live, death.seated.filter(isBlamed), cause)
  if (proofMs !== null)
    live.deeds.part(group, {
      cohorts: parts,
      proofMs,
      named: death.blamed.size > 0,
      delayMs: decision.action === 'stop' ? 0 : decision.delayMs,
    })
  tellLoss(live, cell, end, { ...death, cause, decision, parts, proofMs })
  live.deeds.fell(death.seated, cause)
}
