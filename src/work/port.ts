/** Takes tasks to their end. */
import type { AgentRequest } from '../fleet/fleet.ts'
import type { FailedPolicy } from '../model/model.ts'
import type { Command, DeadFilter, Page, PageAsk } from '../store/store.ts'

export interface TaskAsk {
  readonly type: string
  readonly payload?: unknown
  readonly key?: string | undefined
  readonly priority?: number | undefined
  readonly delayMs?: number | undefined
  /** The task must end within this time after its first possible start; instead of its type's. */
  readonly deadlineMs?: number | undefined
  /** Ids of tasks that must have succeeded before; at most 100. */
  readonly after?: readonly string[] | undefined
  /** What becomes of it when one of those ends without success; `cancel` when absent. */
  readonly onFailed?: FailedPolicy | undefined
  readonly batch?: string | undefined
}
export interface TaskAnswer {
  readonly id: string
  readonly outcome: 'created' | 'exists'
}

export interface WorkSummary {
  readonly byType: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly attempts: Readonly<Record<string, number>>
  /** True when no task can advance without a person: none ready, running, or waiting for time. */
  readonly idle: boolean
}

/** The agents' frames about work: those that end an attempt, and those that an attempt in hand asks. */
export type WorkRequest = Exclude<AgentRequest, { method: 'settle' | 'settlement' }>

export interface EditAsk {
  readonly payload: unknown
  /** Refused when the payload is at another version; absent = whichever. */
  readonly expectVersion?: number | undefined
  /** What follows in the same commit. */
  readonly followedBy?: 'redrive' | 'wake' | undefined
}
export interface DeadSelection {
  readonly filter: DeadFilter
  /** At most 100,000, which is also what is meant when absent. */
  readonly limit?: number | undefined
  /** Starts a second, at most; all at once when absent. */
  readonly ratePerSecond?: number | undefined
  readonly dryRun: boolean
}
export interface RedriveAnswer {
  readonly dryRun: boolean
  /** Dead letters that were redriven, or would be. */
  readonly count: number
  /** The first thousand of them. */
  readonly ids: readonly string[]
  /** There are more that the filter selects. */
  readonly more: boolean
  /** Wall time at which the last one may start; null = at once. */
  readonly lastMs: number | null
}

/** `version` 0: there is none, and `value` is null. */
export interface SharedValue {
  readonly name: string
  readonly value: unknown
  readonly version: number
}
export interface StateAsk {
  readonly name: string
  readonly value: unknown
  /** The version that was read; 0 = there was none. */
  readonly version: number
}
export interface LockAsk {
  readonly name: string
  readonly leaseMs: number
}
/** `task`: a newer attempt of the same task takes over at once. */
export interface LockHolder {
  readonly holder: string
  readonly task: string | null
}
export interface LockHeld {
  readonly name: string
  /** Higher than that of whoever had any lock before: give it along to what the lock protects. */
  readonly fence: number
  readonly leaseMs: number
}
export type LockStatus =
  | { readonly name: string; readonly held: false }
  | {
      readonly name: string
      readonly held: true
      readonly holder: string
      readonly fence: number
      readonly leftMs: number
      readonly takenMs: number
    }

export interface Work {
  /**
   * All or nothing. Rejects `task-exists-with-different`, `unknown-task-type`, `unknown-dependency`, `invalid`,
   * `too-large`. `extra` commands join the same transaction.
   */
  submit(tasks: readonly TaskAsk[], extra?: readonly Command[]): Promise<readonly TaskAnswer[]>
  /**
   * The frames `done fail park` of agents, and what they ask meanwhile: `task.add state.get state.put lock.take
   * lock.renew lock.free`. Rejects `stale` when a newer attempt owns the task.
   */
  request(request: WorkRequest, agent: string): Promise<unknown>
  lost(
    attempts: readonly {
      readonly attempt: string
      readonly agent: string
      readonly cause: string
      readonly collateral: boolean
      /** Its cell died while this was the only attempt in hand there. */
      readonly alone?: boolean
    }[],
  ): void
  free(agentType: string): void
  /** Modes have changed: tasks of whom nobody may start wait, and those that waited so are ready again. */
  remoded(): void
  /**
   * Cancel, wake, redrive or discard. A cancel reaches the attempt that runs. Rejects `not-found`, `conflict`.
   */
  move(task: string, event: 'cancel' | 'redrive' | 'discard' | 'wake', actor: string): Promise<void>
  /** Redrives the dead letters that a filter selects. */
  redrive(selection: DeadSelection, actor: string): Promise<RedriveAnswer>
  /** Another payload as a new version; the old one is kept. Rejects `not-found`, `conflict`, `too-large`. */
  edit(task: string, ask: EditAsk, actor: string): Promise<{ readonly version: number }>
  state(name: string): Promise<SharedValue>
  /** Rejects `version-conflict`, `too-large`, `invalid`. */
  putState(ask: StateAsk, actor: string): Promise<SharedValue>
  /** Rejects `lock-held` with `retryAfterMs`, `invalid`. */
  takeLock(ask: LockAsk, by: LockHolder): Promise<LockHeld>
  /** Rejects `stale`. */
  renewLock(ask: LockAsk & { readonly fence: number }, holder: string): Promise<LockHeld>
  freeLock(ask: { readonly name: string; readonly fence: number }, holder: string): Promise<{ readonly freed: boolean }>
  locks(ask: PageAsk): Promise<Page<LockStatus>>
  summary(): Promise<WorkSummary>
  /** Begins to give out work. */
  start(): void
  stop(): Promise<void>
}
