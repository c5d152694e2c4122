/**
 * One agent's moves: every change of state goes through the model's transition, is saved unless it is the flip between
 * busy and idle (live knowledge, thousands a second), and puts the agent into or out of the queue of free ones.
 */
import { agentAfter, type AgentEvent } from '../model/model.ts'
import type { AgentRow } from '../store/store.ts'
import { announceSoon } from './fence.ts'
import { noteDozing, noteTaken } from './hibernate/sleepers.ts'
import type { Agent, Attempt, AttemptLoss, Due, Live } from './live.ts'
import { restMsOf } from './modes/rest.ts'
import { noteState } from './order/starts.ts'
import { mayWork } from './probes/decide.ts'
import { savePolicy } from './saved.ts'

const unsaved: ReadonlySet<AgentEvent> = new Set<AgentEvent>(['claim', 'finish'])

/** Wall time at which something is due, whole ms. */
export const dueWallMs = (due: Due | null): number | null => (due ? Math.round(due.set.wallMs + due.delayMs) : null)

const waitsForTime = (agent: Agent): boolean => agent.state === 'backoff' || agent.state === 'quarantined'
const dueOf = (agent: Agent): Due | null => (agent.hold === 'cell' ? agent.group.due : agent.due)

/** When a waiting agent is started again (wall ms); null when it waits for no time. */
export const nextMsOf = (agent: Agent): number | null => (waitsForTime(agent) ? dueWallMs(dueOf(agent)) : null)

const rowOf = (live: Live, agent: Agent): AgentRow => ({
  type: agent.type,
  number: agent.number,
  // Busy is live knowledge: a row that said so would be wrong as soon as the work is finished, which is not saved.
  state: agent.state === 'busy' ? 'idle' : agent.state,
  mode: agent.mode,
  epoch: agent.epoch,
  cell: agent.cell?.id ?? null,
  sinceMs: agent.sinceMs,
  restarts: agent.restarts,
  policy: savePolicy(agent, live.options.clock.stamp()),
  reason: agent.reason,
  nextMs: nextMsOf(agent),
})

export const touch = (live: Live, agent: Agent): void => {
  live.record.touch(agent, () => rowOf(live, agent))
}

/** It answers, and is not about to be recycled. */
const isOpen = (cell: Agent['cell']): boolean =>
  cell !== null && cell.phase === 'ready' && !cell.suspect && cell.recycling === null && mayWork(cell.probes)

const canWork = (live: Live, agent: Agent): boolean =>
  live.phase === 'open' &&
  agent.state === 'idle' &&
  agent.mode !== 'parked' &&
  agent.restMs <= live.options.clock.monoMs() &&
  !agent.called &&
  !agent.dozing &&
  !agent.leaving &&
  !agent.renewing &&
  isOpen(agent.cell)

/** Puts the agent where it belongs: among the free ones, or not. */
export const refile = (live: Live, agent: Agent): void => {
  const free = live.free.get(agent.type)!
  if (!canWork(live, agent)) free.leave(agent.place)
  else if (free.join(agent.place)) live.turn.free(agent.type)
}

/** @throws Failure `bug` when the event is illegal in the agent's state. */
export const move = (live: Live, agent: Agent, event: AgentEvent, reason?: string | null): void => {
  const before = agent.state
  agent.state = agentAfter(before, event)
  agent.sinceMs = live.options.clock.wallMs()
  if (reason !== undefined) agent.reason = reason
  refile(live, agent)
  if (!unsaved.has(event)) {
    touch(live, agent)
    noteState(live, agent)
  }
  if (live.dormitory.types.size > 0) live.deeds.moved(agent, before, event)
}

/** Tells that an attempt is lost, exactly once; while its answer is under way the commit decides instead. */
export const loseAttempt = (live: Live, agent: Agent, attempt: Attempt, loss: AttemptLoss): void => {
  if (agent.attempt === attempt) agent.attempt = null
  if (attempt.over) return
  if (attempt.answering > 0) {
    attempt.lostAs = loss
    return
  }
  attempt.over = true
  live.turn.lost({ attempt: attempt.id, agent: agent.id, ...loss })
}

/** Takes an agent out of its cell, with whatever it had in hand. */
export const unseat = (live: Live, agent: Agent, loss: AttemptLoss): void => {
  if (agent.taken && agent.attempt === null) noteTaken(live, agent, -1)
  if (agent.attempt) loseAttempt(live, agent, agent.attempt, loss)
  const { cell } = agent
  cell?.agents.delete(agent)
  if (cell) announceSoon(live, cell)
  agent.cell = null
  agent.taken = false
  agent.called = false
  noteDozing(live, agent, false)
  agent.lastAttempt = null
  live.free.get(agent.type)!.leave(agent.place)
}

/** The agent has nothing in hand any more. */
export const becomeFree = (live: Live, agent: Agent): void => {
  agent.taken = false
  const nowMs = live.options.clock.monoMs()
  const restMs = restMsOf(agent.mode, nowMs - agent.takenMs)
  if (restMs > 0) {
    agent.restMs = nowMs + restMs
    live.agenda.at(agent.restMs, () => refile(live, agent))
  }
  if (agent.state === 'busy') move(live, agent, 'finish')
}
