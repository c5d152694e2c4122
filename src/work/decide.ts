/**
 * What becomes of a task after an attempt: pure decisions of (attempt, error, policy, now, chance).
 *
 * Retry is exponential with full jitter: uniform in [0, min(cap, base × 2^n)]. A Retry-After is a minimum, with
 * positive jitter on top. Waiting is not failing: parked and interrupted attempts cost nothing.
 */
import type { DeadReason, ErrorReport, TaskEvent } from '../model/model.ts'
import type { Random } from '../std/std.ts'
import type { Finish } from '../store/store.ts'

export interface RetryPolicy {
  readonly max: number
  readonly baseMs: number
  readonly capMs: number
}

/** Milliseconds until the next attempt; `failed` = attempts that failed and count, this one included. */
export const retryDelayMs = (failed: number, policy: RetryPolicy, random: Random, retryAfterMs = 0): number => {
  // 2^30 × any base is beyond every cap; a larger exponent would only lose precision.
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(30, failed - 1))
  const jitter = random.next() * ceiling
  return Math.ceil(retryAfterMs > 0 ? Math.max(retryAfterMs, ceiling / 2) + jitter / 4 : jitter)
}

export type FailureClass = 'transient' | 'permanent' | 'refused' | 'unknown' | 'poison'
const kinds: ReadonlySet<string | undefined> = new Set(['transient', 'permanent', 'refused', 'unknown', 'poison'])

/**
 * The class of a reported error: what the agent says (`kind`), else its HTTP status, else transient. 408, 425, 429 and
 * 5xx can pass by themselves; other 4xx cannot.
 */
export const classify = (error: ErrorReport): FailureClass => {
  if (kinds.has(error.kind)) return error.kind as FailureClass
  const status = error.status
  if (status === undefined || status >= 500 || status < 400) return 'transient'
  return status === 408 || status === 425 || status === 429 ? 'transient' : 'permanent'
}

export interface FailedAttempt {
  readonly attempt: string
  readonly agent: string
  /** Task type. */
  readonly type: string
  /** 1 for the first attempt that counts. */
  readonly number: number
  readonly deadlineMs: number | null
  readonly error: ErrorReport
  /** Deaths before this one with the task as the only one in hand. */
  readonly deaths: number
}

/** One death may have been anybody's doing; two, each with this task as the only one in hand, are the payload's. */
const deadlyDeaths = 2

const isPoison = ({ deaths }: Pick<FailedAttempt, 'deaths'>): boolean => deaths + 1 >= deadlyDeaths

const reasonOf = (failed: FailedAttempt, outcome: FailureClass, policy: RetryPolicy): DeadReason => {
  if (outcome === 'permanent' || outcome === 'refused') return outcome
  if (outcome === 'poison' && isPoison(failed)) return 'poison'
  return failed.number >= policy.max ? 'attempts' : 'deadline'
}

/** What an end leaves to do, when its attempt did part of the work: the payload from then on. */
export const restOf = ({ error, agent }: Pick<FailedAttempt, 'error' | 'agent'>): Pick<Finish, 'rest'> =>
  error.partial?.rest === undefined
    ? {}
    : { rest: { payload: JSON.stringify(error.partial.rest), actor: `agent:${agent}` } }

/**
 * A failed attempt: retried while its class allows it and tries are left, else a dead letter that keeps the error. A
 * process that dies of a signal may have been killed by anybody; when it does so twice, the payload is what kills it.
 */
export const afterFailure = (failed: FailedAttempt, policy: RetryPolicy, nowMs: number, random: Random): Finish => {
  const outcome = classify(failed.error)
  const untilMs = nowMs + retryDelayMs(failed.number, policy, random, failed.error.retryAfterMs)
  const mayRetry =
    (outcome === 'transient' || outcome === 'unknown' || (outcome === 'poison' && !isPoison(failed))) &&
    failed.number < policy.max &&
    (failed.deadlineMs === null || untilMs < failed.deadlineMs)
  const event: TaskEvent = mayRetry
    ? { event: 'retry', untilMs }
    : { event: 'give-up', reason: reasonOf(failed, outcome, policy) }
  const deadly = outcome === 'poison'
  const { attempt, type } = failed
  return { attempt, type, outcome, result: null, error: failed.error, event, counts: true, deadly, ...restOf(failed) }
}

/**
 * An attempt that ended with its agent. Not the agent's fault: as if it had never begun. With the cell's death, while
 * nothing else was in hand there: evidence against the task.
 */
export const afterLoss = (
  lost: Omit<FailedAttempt, 'error'> & {
    readonly cause: string
    readonly collateral: boolean
    readonly alone: boolean
  },
  policy: RetryPolicy,
  nowMs: number,
  random: Random,
): Finish => {
  const error: ErrorReport = { name: 'AgentLost', message: lost.cause }
  if (lost.collateral)
    return {
      attempt: lost.attempt,
      type: lost.type,
      outcome: 'interrupted',
      result: null,
      error,
      event: { event: 'interrupt' },
      counts: false,
      deadly: false,
    }
  const kind = lost.alone && isPoison(lost) ? { kind: 'poison' } : {}
  const finish = afterFailure({ ...lost, error: { ...error, ...kind } }, policy, nowMs, random)
  return { ...finish, deadly: lost.alone }
}
