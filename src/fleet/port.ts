/** Keeps agents alive. Other rooms give work to free agents and hear when work was lost; they never see a process. */

import type { Housing } from '../cell/cell.ts'
import type { HeldCause } from './governor/governor.ts'
import type { AgentRef, AgentStateName, AgentType, Coverage, Evidence, Exit } from '../model/model.ts'
import type { PressureReading, ProcessIdentity } from '../std/std.ts'
import type { Run } from '../wire/wire.ts'
import type { Rolling, Surge } from './rolling/state.ts'

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

/** Why agents were started again, in few words; events tell the whole. */
export type RestartCause =
  /** The process ended by itself. */
  | 'exit'
  /** Something else ended it. */
  | 'signal'
  /** It was over its memory. */
  | 'memory'
  /** Its link was lost. */
  | 'link'
  /** It was silent for too long. */
  | 'silent'
  /** It did not come up. */
  | 'start'
  /** The sitter ended it for another reason: a probe, an attempt that did not give up, what it said. */
  | 'ended'
  /** Its agent failed outside of any attempt, or its cell did not list it. */
  | 'broken'
  /** A person's word, or a rolling restart, ended its wait. */
  | 'person'
  /** It was lost under an earlier sitter. */
  | 'unknown'

/** How durations are spread: `counts` by the bounds of `spreadBounds`, what is longer is in `count` alone. */
export interface Spread {
  readonly counts: readonly number[]
  readonly count: number
  readonly sumSeconds: number
}

/** Since this sitter began; none of it ever falls. */
export interface FleetFigures {
  readonly restarts: readonly { readonly type: string; readonly cause: RestartCause; readonly count: number }[]
  /** From a cell's last word until it was found silent. The end of a process is told by the kernel, at once. */
  readonly detection: Spread
  /** From the loss of a cell until its agents have another. */
  readonly recovery: Spread
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
export interface AgentsAsk {
  readonly type?: string | undefined
  readonly state?: string | undefined
  readonly mode?: string | undefined
  readonly limit: number
  /** Id of the last agent of the page before; it need not pass the filter any more. */
  readonly after: string | null
}
export interface AgentsPage {
  readonly items: readonly AgentView[]
  /** Id of the last item, null = no more. */
  readonly next: string | null
}
export type AgentState = Pick<AgentView, 'id' | 'type' | 'number' | 'state'>
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
/** Agents of one type that do not work for one cause. */
export interface Trouble {
  readonly type: string
  readonly cause: string
  /** Whether they never came up; else they came up, and do not hold. */
  readonly starts: boolean
  /** Quarantined, or waiting for their next start. */
  readonly count: number
  readonly quarantined: number
  /** `settler/0001-0100`. */
  readonly agents: string
  /** The first of them. */
  readonly agent: string
  readonly sinceMs: number
}
export interface WaitingType {
  readonly type: string
  readonly why: string
  readonly sinceMs: number
  /** It has waited for longer than starts take. */
  readonly late: boolean
}
/** A configured group in quarantine. */
export interface GroupHeld {
  readonly group: string
  readonly agents: string
  readonly count: number
  readonly byType: Readonly<Record<string, number>>
  /** When it is tried again by itself (wall ms). */
  readonly nextMs: number | null
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
  /** Types that wait for those they depend on, and groups in quarantine; absent = nobody. */
  readonly waiting?: readonly WaitingType[]
  readonly groupsHeld?: readonly GroupHeld[]
  /** Types whose processes begin anew part after part; absent = none. */
  readonly rolling?: readonly Readonly<Rolling>[]
  /** Just after they had begun the sitter died again and again, before this one; absent = nobody is suspected. */
  readonly suspects?: { readonly agents: string; readonly count: number }
  /** Since this sitter opened the fleet. */
  readonly restarts: number
  readonly cellsLost: number
  /** Of all agents that are, over all sitters. */
  readonly restartsByType: Readonly<Record<string, number>>
  readonly coverage: Coverage
  /** Whether new cells may start on this host, and what was read. */
  readonly admission: {
    /** Null = they may. */
    readonly short: { readonly sinceMs: number; readonly why: string } | null
    readonly reading: (PressureReading & { readonly atMs: number }) | null
    /** Cells that wait for their start. */
    readonly startsWaiting: number
  }
  /** Why agents do not work, by type and cause: the 20 with most agents, and how many of all have quarantined ones. */
  readonly troubles: readonly Trouble[]
  readonly quarantines: number
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
  /** What is in hand is charged to its task as a try: it is not to go on with another agent for ever. */
  readonly charged?: boolean
}
export interface OrderAnswer {
  readonly done: readonly string[]
  readonly left: readonly { readonly agent: string; readonly state: AgentStateName }[]
}

export interface Fleet {
  /**
   * Once: begins to start its agents. Resolves when the first states are durable, not when the agents are ready; what
   * is ordered before waits for it. Rejects what the record throws when it cannot be written.
   */
  start(): Promise<void>
  /** Takes up to `count` free agents of a type, the one that has been free longest first; they are busy from now on. */
  take(agentType: string, count: number): FreeAgent[]
  freeCount(agentType: string): number
  /** How many of a type sleep. */
  asleep(agentType: string): number
  /**
   * So many tasks wait for an agent of this type and nobody is free: as many of those that sleep are woken, at the
   * host's pace, and told as free when they are ready. 0 = none waits any more.
   */
  want(agentType: string, waiting: number): void
  /** Gives taken agents their work; an agent that died meanwhile is told through `lost`. */
  run(runs: readonly (Run & { readonly cell: string })[]): void
  /** The taken agent has nothing to do (any more): it is free again. */
  release(agent: string): void
  /** Asks the agent to give up an attempt; it is killed with its cell when it does not within its grace. */
  cancel(agent: string, attempt: string, reason: string): void
  /** What the gate sees of agents' own calls: an answered one is progress, one in hand is a wait for others. */
  seen(calls: { readonly answered: readonly string[]; readonly inHand: readonly string[] }): void
  /** All of them, closely: for swarms that are small. */
  list(): readonly AgentView[]
  /** A page of agents in the order of their ids; rejects nothing: an unknown `after` begins at the beginning. */
  page(ask: AgentsAsk): AgentsPage
  /** All agents in that order (of one type when named), with what a map of them needs. */
  states(agentType?: string): readonly AgentState[]
  view(agent: AgentRef): AgentView | undefined
  /** Wall ms at which work of an agent was last taken or asked for by it; null: not since this sitter began. */
  workedMs(agent: AgentRef): number | null
  cells(): readonly CellStatus[]
  /** Hosts that stand by: no cells, and no agents in them. */
  standbys(): readonly CellStatus[]
  /** Sends a challenge now and gives the agents that the cell itself lists. Rejects `timed-out` or `not-found`. */
  challenge(cell: string): Promise<readonly string[]>
  summary(): FleetSummary
  figures(): FleetFigures
  /** Why agents do not work, by type and cause: all of them, those with most agents first. */
  troubles(): readonly Trouble[]
  /** Modes have changed: those of all agents are looked at again. */
  remode(): void
  restart(agents: readonly AgentRef[], actor: string): Promise<void>
  /** All of a type, part after part; `surge`: how many may be away at once. Rejects `not-found`, `conflict`. */
  roll(type: string, surge: Surge | null, actor: string): Promise<void>
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
