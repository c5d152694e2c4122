/** Commands of the fleet: incarnations of the sitter, cells and agents. */
import type { AgentStateName, Mode } from '../../model/model.ts'
import type { ProcessIdentity } from '../../std/std.ts'
import type { Defined } from './result.ts'

/**
 * A new incarnation of the sitter of host `owner`: the next epoch, and what the last one left. Every later write names
 * both.
 */
export type HostOpen = Defined<
  'host.open',
  { readonly owner: string; readonly bootId: string; readonly wallMs: number },
  { readonly epoch: number }
>

/** The sitter of this incarnation works: it writes, and reads what it wrote. Refused `stale` when it was deposed. */
export type HostBeat = Defined<
  'host.beat',
  { readonly owner: string; readonly epoch: number; readonly wallMs: number },
  null
>

/** A cell is recorded before its process is trusted with work, so that the next sitter can sweep it. */
export type CellStarted = Defined<
  'cell.started',
  {
    readonly id: string
    readonly kind: string
    readonly agentType: string
    readonly identity: ProcessIdentity
    readonly directory: string
    readonly owner: string
    readonly epoch: number
    readonly wallMs: number
  },
  null
>
export type CellEnded = Defined<
  'cell.ended',
  {
    readonly id: string
    readonly cause: string
    readonly detail: string
    readonly wallMs: number
    /** Nobody will ask for it: it ended because its agents sleep, as dozens may each second. */
    readonly forget?: true
  },
  null
>

/** The saved part of an agent: state and all that its restart decision needs, so that a new sitter resumes it. */
export interface AgentRow {
  readonly type: string
  readonly number: number
  readonly state: AgentStateName
  readonly mode: Mode
  /** Incarnation of the agent; a frame or call of an older one is refused. */
  readonly epoch: number
  readonly cell: string | null
  readonly sinceMs: number
  readonly restarts: number
  /** Policy state as JSON: restart window, delay, next time, last cause. Owned by fleet. */
  readonly policy: string
  readonly reason: string | null
  readonly nextMs: number | null
}
/** Writes rows whole (the fleet is their only writer); refused `stale` when `epoch` of the host is not the newest. */
export type AgentsSave = Defined<
  'agents.save',
  { readonly owner: string; readonly epoch: number; readonly rows: readonly AgentRow[] },
  null
>

/**
 * What the fleet remembers beside its agents, as named texts; null forgets one. Refused `stale` as above. At most 1
 * MiB a text, a few dozen names.
 */
export type FleetNote = Defined<
  'fleet.note',
  {
    readonly owner: string
    readonly epoch: number
    readonly notes: readonly { readonly name: string; readonly value: string | null }[]
  },
  null
>

export type FleetCommand = HostOpen | HostBeat | CellStarted | CellEnded | AgentsSave | FleetNote
