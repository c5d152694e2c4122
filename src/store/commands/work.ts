/**
 * Commands of work: tasks and attempts. The hot ones take arrays; per-item answers are values, so one stale item spoils
 * no other.
 */
import type { AttemptOutcome, ErrorReport, TaskEvent } from '../../model/model.ts'
import type { Defined } from './result.ts'

export interface NewTask {
  readonly id: string
  /** Task type (`settle`). */
  readonly type: string
  readonly agentType: string
  /** Idempotency key, unique per task type; null = none. */
  readonly key: string | null
  /** JSON text, at most 256 KiB. */
  readonly payload: string
  /** SHA-256 hex of the canonical payload: tells `exists` from `exists-with-different`. */
  readonly payloadHash: string
  /** 0 (lowest) to 9. */
  readonly priority: number
  readonly maxAttempts: number
  readonly deadlineMs: number | null
  readonly batch: string | null
  /** Settlement that this task works on is not known yet at submission; null. */
  readonly notBeforeMs: number | null
}
export type Submitted = { readonly id: string; readonly outcome: 'created' | 'exists' | 'exists-with-different' }

/** A free agent that takes one task; the attempt's id is made by the caller. */
export interface Slot {
  readonly agent: string
  readonly cell: string
  readonly agentEpoch: number
  readonly attempt: string
}

export interface Claimed {
  readonly task: string
  readonly type: string
  readonly key: string | null
  readonly payload: string
  readonly agent: string
  readonly attempt: string
  /** Number of attempts that counted before this one, plus one. */
  readonly number: number
  readonly fence: number
  readonly deadlineMs: number | null
  readonly batch: string | null
}

/**
 * `claim` = claim on insert: as many of the created tasks as there are slots are written already running (only when no
 * older ready task of that agent type waits). With `all: true` one `exists-with-different` refuses the whole list.
 */
export type TasksSubmit = Defined<
  'tasks.submit',
  {
    readonly tasks: readonly NewTask[]
    readonly all: boolean
    readonly claim: readonly Slot[]
    readonly owner: string
    readonly epoch: number
    readonly wallMs: number
  },
  { readonly submitted: readonly Submitted[]; readonly claimed: readonly Claimed[] }
>

/** Gives ready tasks of an agent type to free agents, by priority then age. */
export type TasksClaim = Defined<
  'tasks.claim',
  {
    readonly agentType: string
    readonly slots: readonly Slot[]
    readonly owner: string
    readonly epoch: number
    readonly wallMs: number
  },
  { readonly claimed: readonly Claimed[]; readonly more: boolean }
>

export interface Finish {
  readonly attempt: string
  readonly outcome: AttemptOutcome
  /** JSON text of the result; only with `succeed`. */
  readonly result: string | null
  readonly error: ErrorReport | null
  /** What happens to the task: succeed, retry, park, give-up, interrupt. Decided by work, executed here. */
  readonly event: TaskEvent
  /** Whether this attempt counts against maxAttempts (interrupted and parked ones do not). */
  readonly counts: boolean
}
/**
 * `repeat`: this attempt had already been finished the same way; `stale`: a newer fence owns the task, nothing changed
 * but the attempt's record.
 */
export type Finished = {
  readonly attempt: string
  readonly task: string
  readonly outcome: 'done' | 'repeat' | 'stale' | 'not-found'
}
export type AttemptsFinish = Defined<
  'attempts.finish',
  { readonly finishes: readonly Finish[]; readonly wallMs: number },
  readonly Finished[]
>

/** Attempts that an older incarnation of the sitter left running: interrupted, tasks ready again. */
export type AttemptsRecover = Defined<
  'attempts.recover',
  { readonly owner: string; readonly epoch: number; readonly wallMs: number },
  { readonly interrupted: number }
>

/** Waiting tasks whose time has come become ready. */
export type TasksDue = Defined<
  'tasks.due',
  { readonly wallMs: number; readonly limit: number },
  { readonly ready: number; readonly agentTypes: readonly string[] }
>

/**
 * One event on one task from a person or another room: cancel, redrive, wake. Refused `not-found`, or `illegal` where
 * the state forbids it; with `orNothing` both are no refusal and nothing changes (a settlement that ends wakes its task
 * only if that one waits).
 */
export type TaskMove = Defined<
  'task.move',
  {
    readonly task: string
    readonly event: TaskEvent
    readonly resetAttempts: boolean
    readonly orNothing: boolean
    readonly wallMs: number
  },
  null
>

export type WorkCommand = TasksSubmit | TasksClaim | AttemptsFinish | AttemptsRecover | TasksDue | TaskMove
