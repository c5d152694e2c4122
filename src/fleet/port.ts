/** Keeps agents alive. Other rooms give work to free agents and hear when work was lost; they never see a process. */

import type { Housing } from '../cell/cell.ts'
import type { HeldCause } from './governor/governor.ts'
import type { AgentRef, AgentStateName, AgentType, Coverage, Evidence, Exit } from '../model/model.ts'
import type { ProcessIdentity } from '../std/std.ts'
import type { Run } from '../wire/wire.ts'

/** A free agent in a cell that answers. */
export interface FreeAgent {
  readonly agent: string
  readonly cell: string
  readonly epoch: number
}

export interface FleetHooks {
  /** Agents of this type became free. */
  free(agentType: string): void
  /**
   * These attempts are over: their agent or its cell is gone. `collateral` = not the fault of the attempt's agent (a
   * pool-mate's fault, the cell was killed from outside, the sitter stops): costs no attempt.
   */
  lost(
    attempts: readonly {
      readonly attempt: string
      readonly agent: string
      readonly cause: string
      readonly collateral: boolean
      /** Its cell died while this was the only attempt in hand there: evidence against the task. */
      readonly alone?: boolean
    }[],
  ): void
  /**
   * Whether an attempt waits for something outside the agent (a settlement, a limit): then no progress is not being
   * stuck.
   */
  waitsOutside(attempt: string): boolean
  /**
   * A request from an agent that is no fleet matter: `done fail park settle task.add state.* lock.*`. The
   * agent's identity and epoch are already checked.
   */
  request(method: string, agent: string, params: unknown): Promise<unknown>
}

export interface AgentView {
  readonly id: string
  readonly type: string
  readonly number: number
  readonly state: AgentStateName
  readonly mode: string
  readonly epoch: number
  readonly sinceMs: number
  readonly restarts: number
  readonly reason: string | null
  readonly exit: Exit | null
  readonly attempt: string | null
  readonly cell: { readonly id: string; readonly kind: string; readonly pid: number; readonly startTime: string } | null
  /** The cell that was asked for, what the machine makes of it, and why less. */
  readonly housing: Housing
  readonly evidence: readonly Evidence[]
  /** Cells it lived in, newest first, at most four: events about a whole cell have the cell's id as their subject. */
  readonly lastCells?: readonly string[]
  /** It lives apart from its cell-mates since then, and goes home when it has lived there for `proofMs`. */
  readonly apart?: { readonly named: boolean; readonly sinceMs: number; readonly proofMs: number }
}
export interface CellStatus {
  readonly id: string
  readonly kind: string
  readonly agentType: string
  readonly identity: ProcessIdentity
  readonly agents: number
  readonly busy: number
  readonly startedMs: number
  /** Last answer to a challenge: when, and how many agents it listed. */
  readonly answeredMs: number | null
  readonly answeredAgents: number | null
  readonly residentBytes: number | null
  /** A host that was started ahead and holds no agent; absent for a cell. */
  readonly standsBy?: 'ready' | 'not-ready'
}
export interface FleetSummary {
  readonly agents: number
  readonly byState: Readonly<Partial<Record<AgentStateName, number>>>
  readonly byType: Readonly<Record<string, Readonly<Partial<Record<AgentStateName, number>>>>>
  readonly cells: number
  /** Hosts that were started ahead: those that could take over now, and how many there should be. */
  readonly standbys: { readonly ready: number; readonly wanted: number }
  /** Agents that live apart from their cell-mates for a while. */
  readonly apart?: number
  /** Causes of which many died at once: restarts after them are held, and one goes first. Absent = not known. */
  readonly held?: readonly HeldCause[]
  /** Since this sitter opened the fleet. */
  readonly restarts: number
  readonly cellsLost: number
  readonly coverage: Coverage
}

/**
 * `stop`: at once, an attempt in hand is given to another without cost. `pause`: no new work, what is in hand is
 * finished. `quarantine`: as stop, and shown as something that waits for a person. Each holds over restarts, until
 * `start`, `resume` or `release`.
 */
export type AgentOrder = 'start' | 'stop' | 'pause' | 'resume' | 'quarantine'
export interface OrderedBy {
  readonly actor: string
  readonly reason: string
}
export interface OrderAnswer {
  readonly done: readonly string[]
  readonly left: readonly { readonly agent: string; readonly state: AgentStateName }[]
}

export interface Fleet {
  /** Takes up to `count` free agents of a type, the one that has been free longest first; they are busy from now on. */
  take(agentType: string, count: number): FreeAgent[]
  freeCount(agentType: string): number
  /** Gives taken agents their work; an agent that died meanwhile is told through `lost`. */
  run(runs: readonly (Run & { readonly cell: string })[]): void
  /** The taken agent has nothing to do (any more): it is free again. */
  release(agent: string): void
  /** Asks the agent to give up an attempt; it is killed with its cell when it does not within its grace. */
  cancel(agent: string, attempt: string, reason: string): void
  list(): readonly AgentView[]
  view(agent: AgentRef): AgentView | undefined
  cells(): readonly CellStatus[]
  /** Hosts that stand by: no cells, and no agents in them. */
  standbys(): readonly CellStatus[]
  /** Sends a challenge now and gives the agents that the cell itself lists. Rejects `timed-out` or `not-found`. */
  challenge(cell: string): Promise<readonly string[]>
  summary(): FleetSummary
  restart(agents: readonly AgentRef[], actor: string): Promise<void>
  unquarantine(agents: readonly AgentRef[], actor: string): Promise<void>
  /**
   * Takes another set of agent types over, as `agentTypeChanges` says: who is new starts, who is not wanted any more
   * finishes what it has in hand and goes, who must begin anew does so one part after the other. Resolves when all of
   * it has begun. Rejects `conflict` while stopping.
   */
  reconfigure(types: Readonly<Record<string, AgentType>>, actor: string): Promise<void>
  /**
   * Resolves when the order is durable, with the agents that it reached, and those whose state does not allow it.
   * Rejects `not-found`; `conflict` when it reached none, or while stopping.
   */
  order(order: AgentOrder, agents: readonly AgentRef[], by: OrderedBy): Promise<OrderAnswer>
  /** Stop in order: no new work, wait up to `withinMs` for running attempts, then end the cells. */
  stop(withinMs: number): Promise<void>
}
