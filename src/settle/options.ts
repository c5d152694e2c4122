/** What the settle room needs of the house. */
import type { GateLink } from '../gatelink/gatelink.ts'
import type { Channel, ModeScope, TaskType } from '../model/model.ts'
import type { Clock, NewId, Random } from '../std/std.ts'
import type { Store } from '../store/store.ts'
import type { Work } from '../work/work.ts'
import type { HoldingMode } from './kept.ts'

export interface SettleOptions {
  readonly channels: Readonly<Record<string, Channel>>
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Store
  readonly work: Pick<Work, 'submit'>
  readonly gatelink: Pick<GateLink, 'gateId' | 'grant'>
  /** Nothing goes out now: what is due waits for `thawed`. */
  readonly frozen: () => boolean
  /** The strictest mode that holds for a payment; absent = every one is active. */
  readonly modeOf?: (scope: ModeScope) => HoldingMode
  /** False = this agent pays nobody, whatever it asks. */
  readonly mayPay?: (agent: string) => boolean
  /** What an outcome said about its channel. */
  readonly heard?: (channel: string, evidence: 'worked' | 'failed' | 'credential') => void
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  /** The record refused what it should not, or is lost: the assembly stops the process. */
  failed(error: unknown): void
}
