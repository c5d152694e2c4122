/**
 * A task and its attempts.
 *
 *   blocked ─ unblock ─▶ ready ─claim▶ running ─succeed▶ succeeded
 *                          ▲              │ ├─ retry / park ─▶ waiting ─ due / wake ─▶ ready
 *                          └─ interrupt ──┘ └─ give-up ─▶ dead ─ redrive ─▶ ready
 *   (blocked, ready, waiting, running) ─ cancel ─▶ cancelled        dead ─ discard ─▶ cancelled
 * With a time still to come, unblock and redrive lead to waiting instead of ready.
 */
import { Failure } from '../std/std.ts'

export const taskStates = ['blocked', 'ready', 'running', 'waiting', 'succeeded', 'dead', 'cancelled'] as const
export type TaskStateName = (typeof taskStates)[number]

export const waitReasons = ['rate', 'quota', 'credential', 'approval', 'maintenance', 'signal', 'retry'] as const
export type WaitReason = (typeof waitReasons)[number]

/** Of tasks of which nobody says another one; 0 to 9, higher goes first. */
export const usualPriority = 5

export const attemptOutcomes = [
  'succeeded',
  'transient',
  'permanent',
  'refused',
  'interrupted',
  'unknown',
  'poison',
] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

/** Why a task came to no good end; what a dead letter says first. */
export const deadReasons = ['attempts', 'permanent', 'refused', 'deadline', 'poison', 'work'] as const
export type DeadReason = (typeof deadReasons)[number]

/**
 * What becomes of a task when one that it comes after ends without success: it is cancelled too, it runs all the same,
 * or it stays blocked as long as a person can still redrive the dead letter.
 */
export const failedPolicies = ['cancel', 'run', 'block'] as const
export type FailedPolicy = (typeof failedPolicies)[number]

export type TaskState =
  | { readonly state: 'blocked' }
  | { readonly state: 'ready' }
  | { readonly state: 'running'; readonly attempt: string }
  | {
      readonly state: 'waiting'
      readonly reason: WaitReason
      readonly untilMs: number | null
      /** What has to open, in the words of who refused it: when that is open, it need not wait until its time. */
      readonly waitsFor?: string
    }
  | { readonly state: 'succeeded' }
  | { readonly state: 'dead' }
  | { readonly state: 'cancelled' }

export type TaskEvent =
  | { readonly event: 'due' | 'wake' | 'interrupt' | 'succeed' | 'cancel' | 'discard' }
  /** `untilMs`: not before that wall time; null or absent = at once. */
  | { readonly event: 'unblock' | 'redrive'; readonly untilMs?: number | null }
  | { readonly event: 'give-up'; readonly reason: DeadReason }
  | { readonly event: 'claim'; readonly attempt: string }
  | { readonly event: 'retry'; readonly untilMs: number }
  | {
      readonly event: 'park'
      readonly reason: WaitReason
      readonly untilMs: number | null
      readonly waitsFor?: string
    }

/**
 * A failure that did part of its work. `rest` is what is left of it, and the task's payload from then on, so that every
 * later try, and every other life, does that alone; kept is only which version of the payload it became. `done` is what
 * was done, for people: JSON of at most 16 KiB, a longer one is its text, cut.
 */
export interface PartDone {
  readonly done?: unknown
  readonly rest?: unknown
  readonly restVersion?: number
}

/** What an agent, or the sitter for it, says about a failure; bounded before it is stored (stack 16 KiB). */
export interface ErrorReport {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly status?: number
  readonly kind?: string
  readonly retryAfterMs?: number
  /** From a refusal of the gate: what has to open before it is of use to try again (`waitsFor` of its document). */
  readonly waitsFor?: string
  readonly partial?: PartDone
}

/** The report as it is kept, once its rest is the payload's version `restVersion`. */
export const withRestVersion = (error: ErrorReport, restVersion: number): ErrorReport => {
  const { rest: _, ...part } = error.partial ?? {}
  return { ...error, partial: { ...part, restVersion } }
}

/**
 * An attempt is named after its task and its fence (1 for the first): what it belongs to can be read from its name, and
 * no index is needed to find it.
 */
export const attemptId = (task: string, fence: number): string => `att_${task.slice(4)}.${fence}`

const attemptPattern = /^att_(.{1,180})\.([1-9][0-9]{0,14})$/

/** What an attempt's name says; undefined when it is none. */
export const parseAttemptId = (id: string): { readonly task: string; readonly fence: number } | undefined => {
  const [, task, fence] = attemptPattern.exec(id) ?? []
  return task === undefined ? undefined : { task: `tsk_${task}`, fence: Number(fence) }
}

export const isTaskEnd = (state: TaskStateName): boolean =>
  state === 'succeeded' || state === 'dead' || state === 'cancelled'

const readyAt = (untilMs: number | null | undefined): TaskState =>
  untilMs === null || untilMs === undefined ? { state: 'ready' } : { state: 'waiting', reason: 'signal', untilMs }

const parkedBy = ({ reason, untilMs, waitsFor }: Extract<TaskEvent, { event: 'park' }>): TaskState => ({
  state: 'waiting',
  reason,
  untilMs,
  ...(waitsFor !== undefined && { waitsFor }),
})

/** The state after an event, or undefined when the event is illegal there. */
export const nextTaskState = (now: TaskState, event: TaskEvent): TaskState | undefined => {
  switch (event.event) {
    case 'unblock':
      return now.state === 'blocked' ? readyAt(event.untilMs) : undefined
    case 'due':
    case 'wake':
      return now.state === 'waiting' ? { state: 'ready' } : undefined
    case 'claim':
      return now.state === 'ready' ? { state: 'running', attempt: event.attempt } : undefined
    case 'interrupt':
      return now.state === 'running' ? { state: 'ready' } : undefined
    case 'succeed':
      return now.state === 'running' ? { state: 'succeeded' } : undefined
    case 'retry':
      return now.state === 'running' ? { state: 'waiting', reason: 'retry', untilMs: event.untilMs } : undefined
    case 'park':
      return now.state === 'running' ? parkedBy(event) : undefined
    case 'give-up':
      return isTaskEnd(now.state) ? undefined : { state: 'dead' }
    case 'cancel':
      return isTaskEnd(now.state) ? undefined : { state: 'cancelled' }
    case 'redrive':
      return now.state === 'dead' ? readyAt(event.untilMs) : undefined
    case 'discard':
      return now.state === 'dead' ? { state: 'cancelled' } : undefined
  }
}

/** As nextTaskState, for callers to whom an illegal event is a bug. */
export const taskAfter = (now: TaskState, event: TaskEvent): TaskState => {
  const next = nextTaskState(now, event)
  if (next === undefined) throw new Failure('bug', `a task that is ${now.state} cannot take ${event.event}`)
  return next
}
