/**
 * Tells the fleet how many tasks wait when nobody of a type is free and some of it sleep, so that it wakes no more than
 * that. Counted in the record, which keeps the count; asked once at a time, and not more often than every 10 ms a type:
 * the first task that waits is told at once, a storm of them in steps.
 */
import type { Fleet } from '../fleet/fleet.ts'
import type { TaskType } from '../model/model.ts'
import type { Clock } from '../std/std.ts'
import type { Store } from '../store/store.ts'
import type { Dispatch } from './dispatch.ts'

const everyMs = 10

export interface WakingAsk {
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Pick<Store, 'read'>
  readonly fleet: Pick<Fleet, 'asleep' | 'want'>
  readonly clock: Clock
  readonly isOn: () => boolean
  readonly taken: Dispatch['taken']
  failed(error: unknown): void
}

export const openWaking = (ask: WakingAsk): ((agentType: string, isShort: boolean) => void) => {
  const { tasks, store, fleet, clock, failed } = ask
  /** Types that were told not long ago; true when there is more to tell. */
  const told = new Map<string, boolean>()
  /** Types of which the fleet was told that tasks wait. */
  const wanting = new Set<string>()

  const tell = async (agentType: string): Promise<void> => {
    const before = { ...ask.taken(agentType) }
    const counts = await store.read.taskCounts()
    if (!ask.isOn()) return
    const ready = counts
      .filter(({ type, state }) => state === 'ready' && tasks[type]?.agent === agentType)
      .reduce((sum, { count }) => sum + count, 0)
    // Claims that ended meanwhile took some of these: at most so many. Those that are open the fleet knows.
    const { begun, open } = ask.taken(agentType)
    const ended = before.open + begun - before.begun - open
    wanting.add(agentType)
    fleet.want(agentType, Math.max(0, ready - ended))
  }
  const begin = (agentType: string): void => {
    if (told.has(agentType)) {
      told.set(agentType, true)
      return
    }
    told.set(agentType, false)
    tell(agentType)
      .catch(failed)
      .finally(() => {
        clock.timer(everyMs, () => {
          const again = told.get(agentType) === true
          told.delete(agentType)
          if (again && ask.isOn()) begin(agentType)
        })
      })
  }
  return (agentType, isShort) => {
    if (isShort) {
      if (fleet.asleep(agentType) > 0) begin(agentType)
      return
    }
    if (told.has(agentType)) told.set(agentType, false)
    if (wanting.delete(agentType)) fleet.want(agentType, 0)
  }
}
