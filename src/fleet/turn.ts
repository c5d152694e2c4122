/**
 * What happened in this turn of the loop, told to the room above once at its end: agents that became free (once per
 * type) and attempts that were lost (one list). Never from inside a call of the room above, so it is never entered
 * twice.
 */
import type { FleetHooks } from './port.ts'

type Lost = Parameters<FleetHooks['lost']>[0][number]

export interface Turn {
  free(agentType: string): void
  lost(attempt: Lost): void
}

/** `onFault` hears what a hook threw: a fault above must not stop the fleet from telling the rest. */
export const openTurn = (hooks: Pick<FleetHooks, 'free' | 'lost'>, onFault: (thrown: unknown) => void): Turn => {
  let free = new Set<string>()
  let lost: Lost[] = []
  let planned = false

  const tell = (call: () => void): void => {
    try {
      call()
    } catch (thrown) {
      onFault(thrown)
    }
  }
  const end = (): void => {
    planned = false
    const [types, attempts] = [free, lost]
    free = new Set()
    lost = []
    if (attempts.length > 0) tell(() => hooks.lost(attempts))
    for (const type of types) tell(() => hooks.free(type))
  }
  const plan = (): void => {
    if (planned) return
    planned = true
    queueMicrotask(end)
  }
  return {
    free: (agentType) => {
      free.add(agentType)
      plan()
    },
    lost: (attempt) => {
      lost.push(attempt)
      plan()
    },
  }
}
