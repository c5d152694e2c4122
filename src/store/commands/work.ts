/**
 * Commands of work: tasks and attempts. The hot ones take arrays; per-item answers are values, so one stale item spoils
 * no other.
 */
import type { AttemptOutcome, ErrorReport, FailedPolicy, TaskEvent } from '../../model/model.ts'
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
  /** SHA-256 hex of the canonical payload: tells `exists` from `exists-with-different`; null without a key. */
  readonly payloadHash: string | null
  /** 0 (lowest) to 9. */
  readonly priority: number
  readonly maxAttempts: number
  readonly deadlineMs: number | null
  readonly batch: string | null
  /** Not given out before this wall time. */
  readonly notBeforeMs: number | null
  /** Tasks that must have succeeded before; they must be there already, or stand earlier in the same list. */
  readonly after: readonly string[]
  readonly onFailed: FailedPolicy
}
export type Submitted = { readonly id: string; readonly outcome: 'created' | 'exists' | 'exists-with-different' }

/** A free agent that takes one task. */
export interface Slot {
  readonly agent: string
  readonly cell: string
  readonly agentEpoch: number
}

export interface Claimed {
  readonly task: string
  readonly type: string
  readonly key: string | null
  readonly payload: string
  readonly agent: string
  /** Of its agent, as the slot said. */
  readonly cell: string
  /** Named after the task and the fence (model/task.ts). */
  readonly attempt: string
  /** Number of attempts that counted before this one, plus one. */
  readonly number: number
  readonly fence: number
  readonly deadlineMs: number | null
  readonly batch: string | null
  /** 0 to 9. */
  readonly priority: number
  /** Deaths of a cell, or of its process, with this task the only one in hand. */
  readonly deaths: number
}

/**
 * Where the order of starts of an agent type stands: how many were made, and the task type that was served last. Kept
 * by the caller; a new one may begin at zero.
 */
export interface ClaimTurn {
  readonly starts: number
  readonly lastType: string | null
}

/**
 * `claim` = claim on insert: as many of the created tasks as there are slots are written already running (only when no
 * older ready task of that agent type waits). With `all: true` one `exists-with-different` refuses the whole list. A
 * task that comes after others is `blocked` until the last of them has succeeded; refused `not-found` (detail: the id)
 * when one of them is not there. What one of them has come to already decides at once.
 */
export type TasksSubmit = Defined<
  'tasks.submit',
  {
    readonly tasks: readonly NewTask[]
    readonly all: boolean
    readonly claim: readonly Slot[]
    readonly turn: ClaimTurn
    readonly owner: string
    readonly epoch: number
    readonly wallMs: number
  },
  { readonly submitted: readonly Submitted[]; readonly claimed: readonly Claimed[] }
>

/**
 * Gives ready tasks of an agent type to free agents: by priority, types of one priority in turns, within a type by age;
 * of ten starts one goes to the task that waits longest, once that is a minute (store/order.ts).
 */
export type TasksClaim = Defined<
  'tasks.claim',
  {
    readonly agentType: string
    readonly slots: readonly Slot[]
    readonly turn: ClaimTurn
    readonly owner: string
    readonly epoch: number
    readonly wallMs: number
  },
  { readonly claimed: readonly Claimed[]; readonly more: boolean }
>

export interface Finish {
  readonly attempt: string
  /** Task type, for the counts by state. */
  readonly type: string
  readonly outcome: AttemptOutcome
  /** JSON text of the result; only with `succeed`. */
  readonly result: string | null
  readonly error: ErrorReport | null
  /** What happens to the task: succeed, retry, park, give-up, interrupt. Decided by work, executed here. */
  readonly event: TaskEvent
  /** Whether this attempt counts against maxAttempts (interrupted and parked ones do not). */
  readonly counts: boolean
  /** True: the cell or process died with this task as the only one in hand. */
  readonly deadly: boolean
  /**
   * What is left of the work, as JSON text: another version of the task's payload, in the same step. Of those that
   * agents have replaced, the newest 50 are kept beside the first.
   */
  readonly rest?: { readonly payload: string; readonly actor: string }
}
/** Replaced payloads that are kept of a task, of those that its agents replaced. */
export const mostRests = 50
/**
 * `repeat`: this attempt had already been finished the same way; `stale`: a newer fence owns the task, nothing changed
 * but the attempt's record.
 */
export type Finished = {
  readonly attempt: string
  readonly task: string
  readonly outcome: 'done' | 'repeat' | 'stale' | 'not-found'
  /** Agent types for which this end has made other tasks ready, or due at a later time. */
  readonly readied: readonly string[]
}
/**
 * The end of a task decides about those that come after it in the same transaction: the last success makes them ready,
 * a bad end cancels, starts or keeps them by their own policy, and so on down the line.
 */
export type AttemptsFinish = Defined<
  'attempts.finish',
  { readonly finishes: readonly Finish[]; readonly wallMs: number },
  readonly Finished[]
>

/**
 * Only a precondition: refused `stale` when the attempt is there and has ended. What an attempt asks for must not begin
 * after its end was told to somebody.
 */
export type AttemptOpen = Defined<'attempt.open', { readonly attempt: string }, null>

/** Attempts that an older incarnation of the sitter left running: interrupted, tasks ready again. */
export type AttemptsRecover = Defined<
  'attempts.recover',
  { readonly owner: string; readonly epoch: number; readonly wallMs: number },
  { readonly interrupted: number }
>

/** Tasks past their deadline that no agent has in hand are dead letters; those that wait for a person are left. */
export type TasksExpire = Defined<
  'tasks.expire',
  { readonly wallMs: number; readonly limit: number },
  { readonly expired: readonly { readonly task: string; readonly type: string }[] }
>

/** Waiting tasks whose time has come become ready. */
export type TasksDue = Defined<
  'tasks.due',
  { readonly wallMs: number; readonly limit: number },
  { readonly ready: number; readonly agentTypes: readonly string[] }
>

/**
 * Tasks that wait for this to open, and have waited since `sinceMs` at least, become ready: those first whose own time
 * comes first.
 */
export type TasksOpen = Defined<
  'tasks.open',
  { readonly waitsFor: string; readonly sinceMs: number; readonly limit: number; readonly wallMs: number },
  { readonly ready: number; readonly agentTypes: readonly string[] }
>

/**
 * Ready tasks of an agent type begin to wait (`maintenance`, no time) while nobody of it may start; or, without `hold`,
 * those that wait so are ready again, from after `afterSeq` on.
 */
export type TasksHold = Defined<
  'tasks.hold',
  {
    readonly agentType: string
    readonly hold: boolean
    readonly afterSeq: number
    readonly limit: number
    readonly wallMs: number
  },
  { readonly moved: number; readonly lastSeq: number }
>

/**
 * One event on one task from a person or another room: cancel, wake, give-up. Refused `not-found`, or `illegal` where
 * the state forbids it; with `orNothing` both are no refusal and nothing changes (a settlement that ends wakes its task
 * only if that one waits). Redrive and discard are commands of their own. A task that waited for an approval has its
 * deadline put off by as long as it waited.
 */
export type TaskMove = Defined<
  'task.move',
  {
    readonly task: string
    readonly event: TaskEvent
    readonly orNothing: boolean
    readonly wallMs: number
  },
  null
>

export interface Redrive {
  readonly task: string
  /** Not before this wall time; null = at once. */
  readonly untilMs: number | null
}
/** One answer for each item, in their order; what is not dead is left as it is. */
export type DeadMoved = {
  readonly task: string
  readonly outcome: 'done' | 'not-dead' | 'not-found'
}
/**
 * Another life for dead letters: tries begin anew, and an own deadline is as long as it was at first. The dead letter
 * is closed and keeps what it knows.
 */
export type DeadRedrive = Defined<
  'dead.redrive',
  { readonly items: readonly Redrive[]; readonly actor: string; readonly wallMs: number },
  readonly DeadMoved[]
>
/** Dead letters that nobody will redrive: closed, their tasks `cancelled`, and what waited for them by `block` too. */
export type DeadDiscard = Defined<
  'dead.discard',
  { readonly tasks: readonly string[]; readonly actor: string; readonly wallMs: number },
  readonly DeadMoved[]
>

/**
 * Another payload for a task that has not ended well and is not running; the old one is kept as its version. What was
 * submitted under the task's key still finds it. Refused `not-found`; `illegal` in other states; `stale` when the
 * version is not the expected one (null = whichever).
 */
export type TaskEdit = Defined<
  'task.edit',
  {
    readonly task: string
    readonly payload: string
    readonly expectVersion: number | null
    readonly actor: string
    readonly wallMs: number
  },
  { readonly version: number }
>

export type WorkCommand =
  | TasksSubmit
  | TasksClaim
  | AttemptsFinish
  | AttemptOpen
  | AttemptsRecover
  | TasksExpire
  | TasksDue
  | TasksOpen
  | TasksHold
  | TaskMove
  | DeadRedrive
  | DeadDiscard
  | TaskEdit
