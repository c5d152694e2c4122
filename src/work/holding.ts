/**
 * While nobody of an agent type may start anything (its mode is parked, or the swarm's), its ready tasks wait: reason
 * `maintenance`, no time, no attempt spent. They are ready again when the mode is milder. In batches, one sweep a type
 * at a time; what becomes ready meanwhile asks for another.
 */
import type { Mode, TaskType } from '../model/model.ts'
import type { Clock } from '../std/std.ts'
import { patiently, type Store } from '../store/store.ts'

/** Tasks moved in one commit: 5,000 take about 20 ms of the loop. */
const atOnce = 5_000

export interface HoldingAsk {
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Pick<Store, 'transact' | 'writable' | 'read'>
  readonly clock: Clock
  readonly isOn: () => boolean
  readonly modeOf: (agentType: string) => { readonly mode: Mode; readonly person: boolean } | undefined
  /** Tasks of this type may be ready. */
  readonly ready: (agentType: string) => void
  failed(error: unknown): void
}

export interface Holding {
  /** Tasks of this type wait and nobody is free: true when that is because it is parked. */
  short(agentType: string): boolean
  /** Somebody is parked who comes back without a person. */
  comesBack(): boolean
  /** Modes may have changed. */
  look(): void
}

export const openHolding = (ask: HoldingAsk): Holding => {
  const { store, clock, isOn, modeOf, ready, failed } = ask
  const types = (): ReadonlySet<string> => new Set(Object.values(ask.tasks).map(({ agent }) => agent))
  const isParked = (agentType: string): boolean => modeOf(agentType)?.mode === 'parked'
  /** Types that are swept; true when there is more to do. */
  const sweeping = new Map<string, boolean>()
  /** Types of which tasks may wait for their mode; the sitter before may have held any. */
  const held = new Map<string, boolean>()

  const move = async (agentType: string, hold: boolean): Promise<void> => {
    for (let afterSeq = 0; isOn() && isParked(agentType) === hold;) {
      // Asked every second while it is short: most looks find nothing, and nothing is written for that.
      if (hold && !(await store.read.readyTypes()).includes(agentType)) return
      const asked = { agentType, hold, afterSeq, limit: atOnce, wallMs: clock.wallMs() }
      const [moved] = await patiently(store, [{ kind: 'tasks.hold', with: asked }] as const)
      if (!moved.ok || moved.value.moved < atOnce) return
      afterSeq = hold ? 0 : moved.value.lastSeq
    }
  }
  const sweep = (agentType: string): void => {
    if (sweeping.has(agentType)) {
      sweeping.set(agentType, true)
      return
    }
    sweeping.set(agentType, false)
    const hold = isParked(agentType)
    held.set(agentType, true)
    move(agentType, hold)
      .then(() => {
        if (hold || isParked(agentType)) return
        held.set(agentType, false)
        if (isOn()) ready(agentType)
      }, failed)
      .finally(() => {
        const again = sweeping.get(agentType) === true || isParked(agentType) !== hold
        sweeping.delete(agentType)
        if (again && isOn()) sweep(agentType)
      })
  }
  return {
    short: (agentType) => {
      const parked = isParked(agentType)
      if (parked && isOn()) sweep(agentType)
      return parked
    },
    comesBack: () => [...types()].some((agentType) => isParked(agentType) && modeOf(agentType)?.person === false),
    look: () => {
      if (!isOn()) return
      for (const agentType of types()) if (isParked(agentType) || held.get(agentType) !== false) sweep(agentType)
    },
  }
}
