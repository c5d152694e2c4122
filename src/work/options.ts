/** What the room is given at assembly. */
import type { Fleet } from '../fleet/fleet.ts'
import type { Mode, TaskType } from '../model/model.ts'
import type { Clock, NewId, Random } from '../std/std.ts'
import type { Store } from '../store/store.ts'

export interface WorkOptions {
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Store
  readonly fleet: Pick<Fleet, 'take' | 'freeCount' | 'release' | 'run' | 'cancel' | 'asleep' | 'want'>
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  readonly owner: string
  readonly epoch: number
  /** The mode that holds for an agent, and whether only a person ends it; absent = active. */
  readonly modeOf?: (agent: string) => { readonly mode: Mode; readonly person: boolean }
  /** Agents that are about to be given work of this priority. */
  readonly urgent?: (of: readonly (readonly [agent: string, priority: number])[]) => void
  /** How an attempt of an agent ended, as far as that says something about it. */
  readonly ended?: (agent: string, evidence: 'worked' | 'failed') => void
  /** Whether an attempt waits for something outside its agent: its deadline then waits too. */
  waitsOutside(attempt: string): boolean
  /** The record refused a write it should not refuse, or is lost: the assembly stops the process. */
  failed(error: unknown): void
}
