/**
 * Gives ready tasks to free agents, in batches: one claim at a time per agent type, as large as there are free agents.
 * No polling: it is nudged when tasks become ready or agents become free, and does nothing otherwise.
 */
import type { Fleet, FreeAgent } from '../fleet/fleet.ts'
import { JsonText } from '../std/std.ts'
import type { Claimed, ClaimTurn, Slot } from '../store/store.ts'

/** Tasks claimed in one transaction: 1,000 take about 12 ms of the loop, short beside a heartbeat. */
export const claimSize = 1_000
/**
 * Agents taken for the first claim after a quiet time, four times as many each time that more tasks wait. Most nudges
 * bring a task or two, and each agent taken for nothing costs an id and two moves: with 2,000 idle agents, taking as
 * many as fit made a single task last 6.8 ms; taking 16, 1.2 ms (medians).
 */
const firstClaimSize = 16

export interface DispatchPort {
  readonly fleet: Pick<Fleet, 'take' | 'freeCount' | 'release' | 'run'>
  /** The date of a time of the record, by the machine's clock, which is the agents' own. */
  dateOf(wallMs: number): number
  /** Tasks of this agent type wait (`true`) and nobody is free, or none waits any more. */
  short(agentType: string, isShort: boolean): void
  claim(
    agentType: string,
    slots: readonly Slot[],
    turn: ClaimTurn,
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
   * Free agents for claim-on-insert, none while older tasks are known to wait (the record looks again, so a claim under
   * way does not matter); unused ones must come back through `settleSlots`.
   */
  slotsFor(agentType: string, count: number): readonly Slot[]
  /** Where the order of starts of this agent type stands. */
  turn(agentType: string): ClaimTurn
  /** Runs what was claimed with these slots and frees the agents of the others. */
  settleSlots(agentType: string, slots: readonly Slot[], claimed: readonly Claimed[]): void
  /**
   * Agents of this type taken for claims: so many since the beginning, and so many of them in claims that have not
   * ended. What such a claim will take still counts as ready in the record.
   */
  taken(agentType: string): { readonly begun: number; readonly open: number }
  /** Looks again at the types whose tasks wait: whom they were to wake may be lost. */
  look(): void
  stop(): void
}

const asSlots = (agents: readonly FreeAgent[]): Slot[] =>
  agents.map(({ agent, cell, epoch }) => ({ agent, cell, agentEpoch: epoch }))

const asRun = (claimed: Claimed, dateOf: DispatchPort['dateOf']): Parameters<Fleet['run']>[0][number] => ({
  agent: claimed.agent,
  attempt: claimed.attempt,
  task: claimed.task,
  type: claimed.type,
  payload: new JsonText(claimed.payload),
  number: claimed.number,
  deadline: claimed.deadlineMs === null ? null : dateOf(claimed.deadlineMs),
  key: claimed.key ?? claimed.task,
  cell: claimed.cell,
})

/** Takes agents, and counts those whose claim has not ended. */
const openTakings = (fleet: Pick<Fleet, 'take'>) => {
  const takings = new Map<string, { begun: number; open: number }>()
  const taken = (agentType: string): { begun: number; open: number } => {
    const known = takings.get(agentType) ?? { begun: 0, open: 0 }
    takings.set(agentType, known)
    return known
  }
  const take = (agentType: string, count: number): readonly FreeAgent[] => {
    const agents = fleet.take(agentType, count)
    taken(agentType).begun += agents.length
    taken(agentType).open += agents.length
    return agents
  }
  return { take, taken }
}

export const openDispatch = (port: DispatchPort): Dispatch => {
  const hungry = new Set<string>()
  const claiming = new Set<string>()
  /** Types of which more tasks waited after the last claim, with the size of the next one. */
  const backlog = new Map<string, number>()
  let stopped = false

  const { take, taken } = openTakings(port.fleet)

  /** Of this sitter's life only: after a restart the turns begin anew, which costs nobody more than nine starts. */
  const turns = new Map<string, ClaimTurn>()
  const turn = (agentType: string): ClaimTurn => turns.get(agentType) ?? { starts: 0, lastType: null }

  const settleSlots = (agentType: string, slots: readonly Slot[], claimed: readonly Claimed[]): void => {
    taken(agentType).open -= slots.length
    const { starts, lastType } = turn(agentType)
    turns.set(agentType, { starts: starts + claimed.length, lastType: claimed.at(-1)?.type ?? lastType })
    const running = port.begin(claimed)
    if (running.length < slots.length) {
      const busy = new Set(running.map((one) => one.agent))
      for (const slot of slots) if (!busy.has(slot.agent)) port.fleet.release(slot.agent)
    }
    if (running.length > 0) port.fleet.run(running.map((one) => asRun(one, port.dateOf)))
  }

  const pump = async (agentType: string): Promise<void> => {
    if (stopped || claiming.has(agentType) || !hungry.has(agentType)) return
    const size = backlog.get(agentType) ?? firstClaimSize
    const agents = take(agentType, size)
    if (agents.length === 0) return port.short(agentType, true)
    claiming.add(agentType)
    hungry.delete(agentType)
    const slots = asSlots(agents)
    try {
      const { claimed, more } = await port.claim(agentType, slots, turn(agentType))
      if (more) {
        hungry.add(agentType)
        backlog.set(agentType, Math.min(claimSize, size * 4))
      } else {
        backlog.delete(agentType)
        if (!hungry.has(agentType)) port.short(agentType, false)
      }
      settleSlots(agentType, slots, claimed)
    } catch (error) {
      // The record refused or is lost: nobody was given anything, the agents are free again, and the owner decides what
      // follows.
      taken(agentType).open -= slots.length
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
      if (stopped || backlog.has(agentType)) return []
      return asSlots(take(agentType, Math.min(count, claimSize)))
    },
    turn,
    settleSlots,
    taken,
    look: () => {
      for (const agentType of hungry) void pump(agentType)
    },
    stop: () => {
      stopped = true
    },
  }
}
