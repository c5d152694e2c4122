/** What the HTTP door needs of the house, as one bundle. The assembly fills it in; no rule lives in the door itself. */
import type { ConfigVersions, SwarmConfig } from '../../config/config.ts'
import type { Fleet, Modes } from '../../fleet/fleet.ts'
import type { FreezeSwitch, GateLink } from '../../gatelink/gatelink.ts'
import type { Alerts, Anchor, LoopLag, Tokens } from '../../record/record.ts'
import type { Settle } from '../../settle/settle.ts'
import type { Clock, Folder, NewId } from '../../std/std.ts'
import type { Store } from '../../store/store.ts'
import type { Work } from '../../work/work.ts'
import type { AuditVerdict } from '../api.ts'

export interface Rooms {
  /** The swarm's name. */
  readonly name: string
  readonly version: string
  readonly owner: string
  readonly epoch: number
  readonly pid: number
  readonly startedMs: number
  readonly clock: Clock
  readonly newId: NewId
  readonly config: SwarmConfig
  readonly store: Store
  readonly fleet: Fleet
  readonly work: Work
  readonly settle: Settle
  readonly gatelink: GateLink
  readonly freeze: FreezeSwitch
  readonly modes: Modes
  readonly tokens: Tokens
  readonly alerts: Alerts
  readonly configs: ConfigVersions
  readonly audit: { verify(anchor?: Anchor): Promise<AuditVerdict> }
  /** The folder of the log. */
  readonly logs: Folder
  readonly lag: LoopLag
  /** Descriptors that the sitter has open, and may have; undefined where that cannot be seen. */
  readonly openFiles: () => { readonly open: number; readonly most: number } | undefined
  /** Capabilities that this version does not have, each a plain sentence. */
  readonly notBuilt: readonly string[]
  /** The end has begun: what brings new work is refused. */
  readonly stopping: () => boolean
  /** Begins a graceful stop and returns at once; the assembly closes this door at its end. */
  shutdown(withinMs: number, actor: string): void
  /** Begins anew with the configuration that was applied, and returns at once. */
  restart(actor: string): void
}
