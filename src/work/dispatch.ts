/**
 * Gives ready tasks to free agents, in batches: one claim at a time per agent type, as large as there are free agents.
 * No polling: it is nudged when tasks become ready or agents become free, and does nothing otherwise.
 */
import type { Fleet, FreeAgent } from '../fleet/fleet.ts'
import type { NewId } from '../std/std.ts'
import type { Claimed, Slot } from '../store/store.ts'

/** Tasks claimed in one transaction: 1,000 take about 12 ms of the loop, short beside a heartbeat. */
export const claimSize = 1_000

export interface DispatchPort {
  readonly fleet: Pick<Fleet, 'take' | 'freeCount' | 'release' | 'run'>
  readonly newId: NewId
  claim(
    agentType: string,
    slots: readonly Slot[],
  ): Promise<{ readonly claimed: readonly Claimed[]; readonly more: boolean }>
  /** Claimed tasks that are to run; those it keeps back (past their deadline) are answered by the caller. */
  begin(claimed: readonly Claimed[]): readonly Claimed[]
  failed(error: unknown): void
}

export interface Dispatch {
  /** Tasks of this agent type may be ready. */
  ready(agentType: string): void
  /** Agents of this type may be free. */
  free(agentType: string): void
  /**
   * Free agents for claim-on-insert, only when no older task waits; unused ones must come back through `settleSlots`.
   */
  slotsFor(agentType: string, count: number): readonly Slot[]
  /** Runs what was claimed with these slots and frees the agents of the others. */
  settleSlots(slots: readonly Slot[], claimed: readonly Claimed[]): void
  stop(): void
}

const asSlots = (agents: readonly FreeAgent[], newId: NewId): Slot[] =>
  agents.map(({ agent, cell, epoch }) => ({ agent, cell, agentEpoch: epoch, attempt: newId('att') }))

export const openDispatch = (port: DispatchPort): Dispatch => {
  const hungry = new Set<string>()
  const claiming = new Set<string>()
  let stopped = false

  const settleSlots = (slots: readonly Slot[], claimed: readonly Claimed[]): void => {
    const used = new Set(claimed.map((one) => one.attempt))
    const cells = new Map(slots.map((slot) => [slot.attempt, slot.cell]))
    const running = port.begin(claimed)
    const begun = new Set(running.map((one) => one.attempt))
    for (const slot of slots) if (!used.has(slot.attempt) || !begun.has(slot.attempt)) port.fleet.release(slot.agent)
    port.fleet.run(
      running.map((one) => ({
        agent: one.agent,
        attempt: one.attempt,
        task: one.task,
        type: one.type,
        payload: JSON.parse(one.payload) as unknown,
        number: one.number,
        deadline: one.deadlineMs,
        key: one.key ?? one.task,
        cell: cells.get(one.attempt)!,
      })),
    )
  }

  const pump = async (agentType: string): Promise<void> => {
    if (stopped || claiming.has(agentType) || !hungry.has(agentType)) return
    const agents = port.fleet.take(agentType, claimSize)
    if (agents.length === 0) return
    claiming.add(agentType)
    hungry.delete(agentType)
    const slots = asSlots(agents, port.newId)
    try {
      const { claimed, more } = await port.claim(agentType, slots)
      if (more) hungry.add(agentType)
      settleSlots(slots, claimed)
    } catch (error) {
      // The record refused or is lost: nobody was given anything, the agents are free again, and the owner decides what
      // follows.
      for (const slot of slots) port.fleet.release(slot.agent)
      port.failed(error)
      return
    } finally {
      claiming.delete(agentType)
    }
    void pump(agentType)
  }

  return {
    ready: (agentType) => {
      hungry.add(agentType)
      void pump(agentType)
    },
    free: (agentType) => {
      void pump(agentType)
    },
    slotsFor: (agentType, count) => {
      if (stopped || hungry.has(agentType) || claiming.has(agentType)) return []
      return asSlots(port.fleet.take(agentType, Math.min(count, claimSize)), port.newId)
    },
    settleSlots,
    stop: () => {
      stopped = true
    },
  }
}
