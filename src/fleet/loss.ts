/**
 * Losses and returns. A lost agent goes by its own policy when it is to blame; when its cell died for another reason it
 * waits for its cell, and the cell's policy decides. A group whose cell dies too often is quarantined as a whole: one
 * agent of it is started as a probe, and when that proves itself the others follow.
 */
import type { CellEnd } from '../cell/cell.ts'
import { move, touch, unseat } from './agents.ts'
import type { Agent, Due, Group, Live, LiveCell } from './live.ts'
import { formatAgents } from './range.ts'
import {
  afterLoss,
  asProbe,
  settled,
  stableAfterMs,
  type Decision,
  type Policy,
  type QuarantineWhy,
} from './restart.ts'
import { charged } from './verdict.ts'
import { notify } from './wiring.ts'

/** A name given this shortly before a cell's death is evidence about that death. */
const namedWithinMs = 2_000
/** Lost agents of one cell that get an event each; more share one. */
const mostSingleEvents = 10

const ownPolicy = (agent: Agent): Policy => ({ ...agent.settings.restart, firstAtOnce: false })
export const groupPolicy = (group: Group): Policy => ({
  ...group.settings.restart,
  type: 'permanent',
  firstAtOnce: true,
})

const whyText: Record<QuarantineWhy, (policy: Policy) => string> = {
  window: (policy) => `more than ${policy.max} losses within ${policy.withinMs} ms`,
  'in-a-row': (policy) => `more than ${policy.max} losses in a row without proven stability`,
  'probe-failed': () => 'lost again before its probe had proven stable',
}

const dueIn = (live: Live, delayMs: number): Due => ({ set: live.options.clock.stamp(), delayMs })

export const forget = (agent: Agent): void => {
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
    forget(agent)
    agent.epoch += 1
    agent.readyMs = null
    agent.progressed = false
    agent.finishedMs = null
    if (event !== 'start') {
      agent.restarts += 1
      live.counts.restarts += 1
    }
    move(live, agent, event)
    groups.add(agent.group)
  }
  for (const group of groups) live.deeds.provide(group)
}

/** The time of an agent that waits by itself has come. */
const ownDue = (live: Live, agent: Agent): void => {
  if (live.phase !== 'open') return
  agent.cancelDue = null
  if (!agent.group.quarantined) return rise(live, [agent], 'due')
  // Its cell is quarantined: from now on it waits for its cell.
  forget(agent)
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
    obey(
      live,
      agent,
      afterLoss(ownPolicy(agent), agent.policy, { nowMs, life, counts: true }, live.options.random),
      cause,
    )
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
    unseat(live, agent, { cause, collateral: false })
    if (cell !== null) live.deeds.vacate(cell, agent, cause)
  }
  charge(live, agents, cause)
}

const groupDue = (live: Live, group: Group): void => {
  if (live.phase !== 'open') return
  group.cancelDue = null
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
  touch(live, group.agents[0]!)
}

/** The cell has proven itself: what its quarantine held is started, and its own counters settle. */
export const proven = (live: Live, group: Group): void => {
  group.cancelTrial?.()
  group.cancelTrial = null
  if (!group.quarantined || live.phase !== 'open') return
  const life = { readyMs: group.cell?.readyMs ?? null, progressed: true }
  group.policy = settled(groupPolicy(group), group.policy, life, live.options.clock.monoMs())
  group.quarantined = false
  group.cancelDue?.()
  group.cancelDue = null
  group.due = null
  touch(live, group.agents[0]!)
  const held = group.agents.filter((agent) => agent.hold === 'cell')
  notify(live, 'agent.released', 'info', {
    subject: group.cell?.id ?? group.agents[0]!.id,
    message: `${formatAgents(held)} released: the probe of their cell proved stable`,
    facts: { by: 'probe', agents: formatAgents(held), count: held.length },
  })
  rise(live, held, 'due')
}

/** Gives a quarantined group its chance: stable for long enough, and the rest follows. */
export const beginTrial = (live: Live, group: Group): void => {
  if (!group.quarantined) return
  group.cancelTrial?.()
  const stableMs = stableAfterMs(groupPolicy(group), group.policy)
  group.cancelTrial = live.agenda.after(stableMs, () => proven(live, group))
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

const causeOf = (cell: LiveCell, end: CellEnd): string =>
  cell.killedFor === null
    ? `cell ${cell.id} ended (${end.cause}): ${end.detail}`
    : `cell ${cell.id} killed by us: ${cell.killedFor}`

interface Death {
  readonly seated: readonly Agent[]
  readonly atWork: readonly Agent[]
  readonly blamed: ReadonlySet<string>
}

/**
 * What the cell's death says about its agents: nothing when somebody outside killed it, or while the whole group is on
 * trial and the death is about the cell.
 */
const examine = (cell: LiveCell, nowMs: number, fromOutside: boolean): Death => {
  const seated = [...cell.agents]
  const atWork = seated.filter((agent) => agent.attempt !== null && agent.attempt.answering === 0)
  const named = [...cell.named].filter(([, atMs]) => nowMs - atMs <= namedWithinMs).map(([id]) => id)
  const blameless = fromOutside || cell.group.quarantined
  const blamed = blameless ? [] : charged({ named, inHand: atWork.map((agent) => agent.id) })
  return { seated, atWork, blamed: new Set(blamed) }
}

const tellLoss = (
  live: Live,
  cell: LiveCell,
  end: CellEnd,
  told: Death & { cause: string; decision: Decision },
): void => {
  const { seated, atWork, blamed, cause, decision } = told
  const who = blamed.size > 0 ? `${[...blamed].join(', ')} to blame` : 'no agent to blame'
  notify(live, 'cell.lost', 'warn', {
    subject: cell.id,
    message: `${cause}; ${formatAgents(seated)} lost, ${who}`,
    facts: {
      cause: end.cause,
      detail: end.detail,
      killedFor: cell.killedFor,
      code: end.end?.code ?? null,
      signal: end.end?.signal ?? null,
      pid: cell.cell?.identity?.pid ?? null,
      startTime: cell.cell?.identity?.startTime ?? null,
      agents: formatAgents(seated),
      count: seated.length,
      attemptsLost: atWork.length,
      blamed: [...blamed],
      upMs: Math.round(live.options.clock.monoMs() - cell.launchedMs),
      ready: cell.readyMs !== null,
      silentBeats: cell.silentBeats,
      answeredMs: cell.answeredWallMs,
      next: decision.action,
      nextInMs: decision.action === 'stop' ? null : decision.delayMs,
      inARow: decision.state.inARow,
      lossesInWindow: decision.state.losses.length,
    },
  })
  if (decision.action !== 'quarantine') return
  const held = cell.group.agents.filter((agent) => agent.hold === 'cell')
  const why = whyText[decision.why](groupPolicy(cell.group))
  notify(live, 'agent.quarantined', 'error', {
    subject: cell.id,
    message: `${formatAgents(held)} are quarantined with their cell: ${why}`,
    facts: {
      cause,
      why: decision.why,
      agents: formatAgents(held),
      count: held.length,
      nextProbeInMs: decision.delayMs,
      lossesInWindow: decision.state.losses.length,
      inARow: decision.state.inARow,
    },
  })
}

const waitsForCell = (agent: Agent): boolean =>
  agent.state === 'starting' || (agent.state === 'backoff' && agent.hold === 'cell')

/** A signal that a program does not get by its own doing, while the kernel killed nobody for memory meanwhile. */
const isFromOutside = (live: Live, cell: LiveCell, end: CellEnd): boolean => {
  const before = live.oomKills
  live.oomKills = live.options.proc.oomKills()
  const signal = end.end?.signal
  // Where the cell's own group counts, that is known; else the whole machine's count must do.
  if (end.end?.hits?.some(({ limit }) => limit === 'memory') === true) return false
  const killed = cell.killedFor === null && (signal === 'SIGKILL' || signal === 'SIGTERM')
  return killed && before !== undefined && live.oomKills === before
}

/** A cell is gone: who is charged, who waits for what, what was lost; told in one event with the evidence. */
export const cellLost = (live: Live, cell: LiveCell, end: CellEnd): void => {
  const { group } = cell
  const nowMs = live.options.clock.monoMs()
  const fromOutside = isFromOutside(live, cell, end)
  // Ended because its only agent was taken out of it before: that agent was judged then.
  if (cell.vacated && cell.agents.size === 0) return
  const death = examine(cell, nowMs, fromOutside)
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
  const decision = afterLoss(groupPolicy(group), group.policy, loss, live.options.random)
  const innocent = death.seated.filter((agent) => !isBlamed(agent))
  // Those that were about to join the cell, or wait for it already, wait with the others.
  const joining =
    decision.action === 'quarantine'
      ? group.agents.filter((agent) => waitsForCell(agent) && !death.seated.includes(agent))
      : []
  hold(live, group, [...innocent, ...joining], { decision, cause })
  charge(live, death.seated.filter(isBlamed), cause)
  tellLoss(live, cell, end, { ...death, cause, decision })
}
