/** What the fleet is given at assembly. */
import type { AskProbe, Beds, CellKind, Housing } from '../cell/cell.ts'
import type { GateLink } from '../gatelink/gatelink.ts'
import type { AgentType, MachineBounds, Mode, SwarmConfig } from '../model/model.ts'
import type { Clock, NewId, Pressure, Proc, Random } from '../std/std.ts'
import type { Store } from '../store/store.ts'
import type { FleetLine } from './line.ts'
import type { FleetHooks } from './port.ts'

export interface LastLife {
  readonly diedMs: number
  readonly given: readonly { readonly agent: string; readonly task: string; readonly startedMs: number }[]
}

export interface FleetOptions {
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  readonly store: Pick<Store, 'transact' | 'read'>
  readonly cells: CellKind
  /** Where the machines of those lie that sleep; absent = none is kept. */
  readonly beds?: Beds
  /** What this machine makes of a type's cell; absent = what was asked for. */
  readonly housing?: (type: AgentType) => Housing
  readonly gatelink: Pick<GateLink, 'openCell' | 'closeCell'>
  /** The applied configuration; only its agent types and their groups are read. */
  readonly config: Pick<SwarmConfig, 'agents'> & Partial<Pick<SwarmConfig, 'groups'>>
  /** Incarnation of this host's sitter, from `host.open`. Cells of older ones have been swept before. */
  readonly owner: string
  readonly epoch: number
  /**
   * `cells`: private directories of cells are made in it. `sockets`: short path for sockets that would exceed 100
   * bytes. `doors`: where the sockets of a type must lie because its programs have users of their own; null = anywhere.
   */
  readonly directories: {
    readonly cells: string
    readonly sockets: string
    readonly doors?: (type: AgentType) => string | null
  }
  readonly hooks: FleetHooks
  /** The mode that holds for an agent beside its configured one; absent = active. Looked at again by `remode`. */
  readonly modeOf?: (agent: string) => Mode
  readonly onLog: (line: FleetLine) => void
  readonly proc: Pick<Proc, 'startTime' | 'state' | 'effort' | 'residentBytes' | 'openFiles' | 'oomKills'>
  /** A newer sitter acts for this host: every cell is being killed, nothing is started any more. */
  readonly onDeposed?: (detail: string) => void
  /** How the sitter before this one ended, by the record: when it wrote last, and who had work in hand then. */
  readonly lastLife?: LastLife
  /** What the whole host bears; the usual bounds when absent. */
  readonly machine?: MachineBounds
  /** What the host is short of; absent = nobody looks. */
  readonly pressure?: Pressure
  /**
   * Whether this sitter has lately read its own beat in the record. One that cannot see itself must not end others;
   * absent = nobody looks.
   */
  readonly seesItself?: () => boolean
  /** What an agent's calls have cost lately, in words; null = not known. Absent = nobody counts. */
  readonly costOf?: (agent: string) => string | null
  /** Asks programs that have probes; absent = nobody can, and none of them passes. */
  readonly probe?: AskProbe
  /** Cells that start at the same time; default 4 (two per core of the smallest machine it is meant for). */
  readonly startingAtOnce?: number
}
