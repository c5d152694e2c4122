/**
 * Sleep and wake, as the rest of the fleet sees it: registered is not running. An agent of a type that may sleep has a
 * process only while it has work, or had some not long ago (decision 0015).
 */
import type { AgentEvent, AgentStateName } from '../../model/model.ts'
import type { Agent, Group, Live } from '../live.ts'
import { rise } from '../loss.ts'
import { closeType, noteMove } from './sleepers.ts'
import { lookNow, tendSleep } from './sleep.ts'
import { planWakes } from './wake.ts'

export { beginAsleep, lookNow } from './sleep.ts'
export { asleepOf, enlist, noteTaken, noteWork, openDormitory, openType } from './sleepers.ts'
export { reopenBeds } from './beds.ts'
export { tendWakes, want } from './wake.ts'

/** After these somebody else may be woken instead, or there is room for one more. */
const makesRoom: ReadonlySet<AgentEvent> = new Set<AgentEvent>(['quarantine', 'stop', 'ended', 'sleep'])

export const moved = (live: Live, agent: Agent, before: AgentStateName, event: AgentEvent): void => {
  const sleepers = noteMove(live, agent, before, event)
  if (sleepers === undefined) return
  if (agent.state === 'idle') tendSleep(live, sleepers)
  else if (sleepers.waiting > 0 && makesRoom.has(event)) planWakes(live)
}

/** Its agents can be woken again. */
export const vacant = (live: Live, { settings }: Group): void => {
  const sleepers = live.dormitory.types.get(settings.name)
  if (sleepers !== undefined && sleepers.waiting + sleepers.called.size > 0) planWakes(live)
}

/** A type is as it is wanted now: it sleeps after another time, or not any more. */
export const reviseType = (live: Live, type: string): void => {
  const may = live.types.get(type)?.hibernate !== undefined
  const is = live.dormitory.types.has(type)
  if (may) return lookNow(live)
  if (!is) return
  closeType(live, type)
  const asleep = [...live.agents.values()].filter((agent) => agent.type === type && agent.state === 'hibernating')
  rise(live, asleep, 'start')
}
