/**
 * Laying agents to rest. Free agents of a type stand in line by the time since which they have nothing to do, so one
 * entry in the agenda a type is enough: for the first of the line. An agent that sleeps is in no cell; a program's
 * process is drained and ended, a pool host drops it and ends with the last of its agents. No loss, no restart.
 */
import { settled, freshPolicy } from '../restart.ts'
import { move, unseat } from '../agents.ts'
import { endCell } from '../leave.ts'
import type { Agent, Live, LiveCell, Sleepers } from '../live.ts'
import { maySleep } from './decide.ts'
import { hasBeds, keepsMachines, putToBed } from './beds.ts'
import { tellNews } from './news.ts'
import { enlist, strike } from './sleepers.ts'

/** Agents laid to rest at once, and the pause before the next: a program's end costs a few ms of the loop. */
const atOnce = 50
const pauseMs = 100
/** Who may not sleep now is looked at again. */
const againMs = 1_000

const rests = (agent: Agent): boolean =>
  maySleep({
    isIdle: agent.state === 'idle' && agent.cell?.phase === 'ready',
    isTaken: agent.taken || agent.attempt !== null,
    isMoving: agent.called || agent.leaving || agent.renewing,
    isOnTrial: agent.group.part !== null || agent.group.quarantined || agent.group.cancelTrial !== null,
  })

/** What it has proven by living so far is not forgotten with its process. */
const settle = (live: Live, agent: Agent): void => {
  if (agent.policy === freshPolicy) return
  const life = { readyMs: agent.readyMs, progressed: agent.progressed }
  const policy = { ...agent.settings.restart, firstAtOnce: false }
  agent.policy = settled(policy, agent.policy, life, live.options.clock.monoMs())
}

const settleGroup = (live: Live, { group, readyMs, progressed }: LiveCell): void => {
  const policy = { ...group.settings.restart, type: 'permanent', firstAtOnce: true } as const
  group.policy = settled(policy, group.policy, { readyMs, progressed }, live.options.clock.monoMs())
}

/** It is in no cell from now on. */
const lay = (live: Live, agent: Agent, why: string): void => {
  settle(live, agent)
  unseat(live, agent, { cause: why, collateral: true })
  move(live, agent, 'sleep', null)
}

/** A host drops those that are not kept as they are. */
const dismissFrom = (cell: LiveCell, agents: readonly Agent[]): void => {
  if (cell.group.settings.run.module === undefined) return
  cell.cell!.send([{ jsonrpc: '2.0', method: 'unseat', params: { agents: agents.map(({ id }) => id) } }])
}

/** They were laid to rest; a cell ends with the last one. */
const laidDown = (live: Live, cell: LiveCell, agents: readonly Agent[], why: string): void => {
  const sleepers = live.dormitory.types.get(cell.group.settings.name)
  if (sleepers !== undefined && agents.length > 0) tellNews(live, sleepers, 'agent.asleep', { agents, why })
  if (cell.agents.size > 0 || cell.phase !== 'ready') return
  settleGroup(live, cell)
  cell.slept = true
  void endCell(live, cell, 'nobody in it is awake')
}

/** One after the other: a host gives a machine away in 10 ms, and those that wait for their turn can still work. */
const layMachines = async (live: Live, cell: LiveCell, agents: readonly Agent[], why: string): Promise<void> => {
  const laid: Agent[] = []
  cell.bedding = true
  for (const agent of agents) {
    if (agent.cell !== cell || !rests(agent) || !hasBeds(live) || live.phase !== 'open') continue
    if (await putToBed(live, cell, agent, () => lay(live, agent, why))) laid.push(agent)
  }
  cell.bedding = false
  if (live.phase !== 'open') return
  laidDown(live, cell, laid, why)
  const sleepers = live.dormitory.types.get(cell.group.settings.name)
  if (sleepers !== undefined) tendSleep(live, sleepers)
}

/** These idle agents, all of one type, sleep from now on. */
export const layDown = (live: Live, agents: readonly Agent[], why: string): void => {
  for (const [cell, list] of Map.groupBy(agents, (agent) => agent.cell!)) {
    if (keepsMachines(live, cell.group)) {
      void layMachines(live, cell, list, why)
      continue
    }
    for (const agent of list) lay(live, agent, why)
    dismissFrom(cell, list)
    laidDown(live, cell, list, why)
  }
}

/** Its turn has not come, or there is no bed for it. */
const mustWait = (live: Live, { cell }: Agent): boolean =>
  cell !== null && keepsMachines(live, cell.group) && (cell.bedding || !hasBeds(live))

const look = (live: Live, sleepers: Sleepers): void => {
  sleepers.cancelLook = null
  const settings = live.types.get(sleepers.type)
  if (live.phase !== 'open' || settings?.hibernate === undefined) return
  const { short } = live.admission
  const afterMs = short === null ? settings.hibernate.afterMs : 0
  const nowMs = live.options.clock.monoMs()
  const due: Agent[] = []
  let nextMs = Infinity
  for (const agent of live.free.get(sleepers.type)!.oldest()) {
    const dueMs = agent.idleMs + afterMs
    if (dueMs > nowMs) {
      nextMs = Math.min(nextMs, dueMs)
      break
    }
    if (due.length === atOnce) {
      nextMs = nowMs + pauseMs
      break
    }
    if (rests(agent) && !mustWait(live, agent)) due.push(agent)
    else nextMs = nowMs + againMs
  }
  const why = short === null ? `idle for ${settings.hibernate.afterMs} ms` : `idle, and the host is short: ${short.why}`
  layDown(live, due, why)
  if (nextMs < Infinity) lookAt(live, sleepers, nextMs)
}

const lookAt = (live: Live, sleepers: Sleepers, atMs: number): void => {
  sleepers.cancelLook?.()
  sleepers.cancelLook = live.agenda.at(atMs, () => look(live, sleepers))
}

/** Somebody of the type has become idle: whose time comes first is looked at then. */
export const tendSleep = (live: Live, sleepers: Sleepers): void => {
  if (sleepers.cancelLook !== null || live.phase !== 'open') return
  const [first] = live.free.get(sleepers.type)!.oldest()
  const afterMs = live.types.get(sleepers.type)?.hibernate?.afterMs
  if (first === undefined || afterMs === undefined) return
  lookAt(live, sleepers, first.idleMs + (live.admission.short === null ? afterMs : 0))
}

/** The host is short, or the times have changed: everybody is looked at now. */
export const lookNow = (live: Live): void => {
  for (const sleepers of live.dormitory.types.values()) lookAt(live, sleepers, live.options.clock.monoMs())
}

/**
 * At the beginning everybody of a type that may sleep does, also who was awake when the last sitter ended: work that
 * waits will wake whom it needs. Who never lived has nothing that had to be saved.
 */
export const beginAsleep = (live: Live, agents: readonly Agent[]): void => {
  for (const agent of agents) {
    if (agent.state === 'hibernating') continue
    if (agent.epoch > 0) move(live, agent, 'sleep', null)
    else {
      strike(live, agent)
      agent.state = 'hibernating'
      enlist(live, agent)
    }
  }
}
