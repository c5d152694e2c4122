/**
 * Who sleeps, by type, kept by every move of an agent: so that neither a wake nor a look at the clock ever goes through
 * all that are registered. Only types that may sleep are in here; an agent that sleeps has no timer and costs no look.
 */
import type { AgentEvent, AgentStateName, AgentType } from '../../model/model.ts'
import type { Agent, Dormitory, Live, Sleepers } from '../live.ts'

const sleepersOf = (type: string): Sleepers => ({
  type,
  asleep: new Set(),
  dozing: new Set(),
  called: new Set(),
  counts: new Map(),
  waiting: 0,
  taken: 0,
  told: false,
  cancelLook: null,
  news: new Map(),
})

export const openDormitory = (types: readonly AgentType[]): Dormitory => ({
  types: new Map(types.filter(({ hibernate }) => hibernate).map(({ name }) => [name, sleepersOf(name)])),
  processes: { tokens: Infinity, atMs: 0 },
  shared: { tokens: Infinity, atMs: 0 },
  turn: 0,
  cancelWake: null,
  planned: false,
  noBedsUntilMs: -Infinity,
})

const add = ({ counts }: Sleepers, state: AgentStateName, one: 1 | -1): void => {
  counts.set(state, (counts.get(state) ?? 0) + one)
}

export const countOf = ({ counts }: Sleepers, ...states: readonly AgentStateName[]): number =>
  states.reduce((sum, state) => sum + (counts.get(state) ?? 0), 0)

/** Is the fleet's from now on. */
export const enlist = (live: Live, agent: Agent): void => {
  const sleepers = live.dormitory.types.get(agent.type)
  if (sleepers === undefined) return
  add(sleepers, agent.state, 1)
  if (agent.state === 'hibernating') sleepers.asleep.add(agent)
}

/** Is not the fleet's any more. */
export const strike = (live: Live, agent: Agent): void => {
  const sleepers = live.dormitory.types.get(agent.type)
  if (sleepers === undefined) return
  add(sleepers, agent.state, -1)
  sleepers.asleep.delete(agent)
  sleepers.called.delete(agent)
}

/** The type may sleep from now on, or may not any more. */
export const openType = (live: Live, type: string): Sleepers => {
  const sleepers = sleepersOf(type)
  live.dormitory.types.set(type, sleepers)
  for (const agent of live.agents.values()) if (agent.type === type) enlist(live, agent)
  return sleepers
}
export const closeType = (live: Live, type: string): void => {
  live.dormitory.types.get(type)?.cancelLook?.()
  live.dormitory.types.delete(type)
}

/** It has a task: one fewer waits, until the room above has counted again. */
export const noteWork = (live: Live, agent: Agent): void => {
  agent.idleMs = Infinity
  const sleepers = live.dormitory.types.get(agent.type)
  if (sleepers === undefined) return
  sleepers.waiting = Math.max(0, sleepers.waiting - 1)
  sleepers.taken = Math.max(0, sleepers.taken - 1)
}

/** It was taken for a claim, or is given back without work. */
export const noteTaken = (live: Live, { type }: Agent, one: 1 | -1): void => {
  const sleepers = live.dormitory.types.get(type)
  if (sleepers !== undefined) sleepers.taken = Math.max(0, sleepers.taken + one)
}

/** It is being put to sleep, or not any more. */
export const noteDozing = (live: Live, agent: Agent, isDozing: boolean): void => {
  if (agent.dozing === isDozing) return
  agent.dozing = isDozing
  const dozing = live.dormitory.types.get(agent.type)?.dozing
  if (isDozing) dozing?.add(agent)
  else dozing?.delete(agent)
}

/** How many could be woken, now or in a moment. */
export const asleepOf = (live: Live, type: string): number => {
  const sleepers = live.dormitory.types.get(type)
  return sleepers === undefined ? 0 : sleepers.asleep.size + sleepers.dozing.size
}

/** Since when it has nothing to do: from its first answer, or from the end of its work. */
const sinceWhen = (live: Live, agent: Agent, event: AgentEvent): void => {
  if (agent.state !== 'idle') return
  if (event === 'ready' || agent.idleMs === Infinity) agent.idleMs = live.options.clock.monoMs()
}

export const noteMove = (live: Live, agent: Agent, before: AgentStateName, event: AgentEvent): Sleepers | undefined => {
  const sleepers = live.dormitory.types.get(agent.type)
  if (sleepers === undefined) return undefined
  add(sleepers, before, -1)
  add(sleepers, agent.state, 1)
  if (agent.state === 'hibernating') sleepers.asleep.add(agent)
  else if (before === 'hibernating') {
    sleepers.asleep.delete(agent)
    sleepers.called.delete(agent)
  }
  sinceWhen(live, agent, event)
  return sleepers
}
