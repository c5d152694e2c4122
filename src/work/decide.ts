/**
 * What becomes of a task after an attempt: pure decisions of (attempt, error, policy, now, chance).
 *
 * Retry is exponential with full jitter: uniform in [0, min(cap, base × 2^n)]. A Retry-After is a minimum, with
 * positive jitter on top. Waiting is not failing: parked and interrupted attempts cost nothing.
 */
import type { ErrorReport, TaskEvent } from '../model/model.ts'
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

export type FailureClass = 'transient' | 'permanent' | 'refused' | 'unknown'

/**
 * The class of a reported error: what the agent says (`kind`), else its HTTP status, else transient. 408, 425, 429 and
 * 5xx can pass by themselves; other 4xx cannot.
 */
export const classify = (error: ErrorReport): FailureClass => {
  if (error.kind === 'permanent' || error.kind === 'refused' || error.kind === 'unknown' || error.kind === 'transient')
    return error.kind
  const status = error.status
  if (status === undefined || status >= 500 || status < 400) return 'transient'
  return status === 408 || status === 425 || status === 429 ? 'transient' : 'permanent'
}

export interface FailedAttempt {
  readonly attempt: string
  /** 1 for the first attempt that counts. */
  readonly number: number
  readonly deadlineMs: number | null
  readonly error: ErrorReport
}

/** A failed attempt: retried while its class allows it and tries are left, else a dead letter that keeps the error. */
export const afterFailure = (failed: FailedAttempt, policy: RetryPolicy, nowMs: number, random: Random): Finish => {
  const outcome = classify(failed.error)
  const untilMs = nowMs + retryDelayMs(failed.number, policy, random, failed.error.retryAfterMs)
  const mayRetry =
    (outcome === 'transient' || outcome === 'unknown') &&
    failed.number < policy.max &&
    (failed.deadlineMs === null || untilMs < failed.deadlineMs)
  const event: TaskEvent = mayRetry ? { event: 'retry', untilMs } : { event: 'give-up' }
  return { attempt: failed.attempt, outcome, result: null, error: failed.error, event, counts: true }
}

/** An attempt that ended with its agent. Not the agent's fault: as if it had never begun. */
export const afterLoss = (
  lost: Omit<FailedAttempt, 'error'> & { readonly cause: string; readonly collateral: boolean },
  policy: RetryPolicy,
  nowMs: number,
  random: Random,
): Finish => {
  const error: ErrorReport = { name: 'AgentLost', message: lost.cause }
  if (lost.collateral)
    return {
      attempt: lost.attempt,
      outcome: 'interrupted',
      result: null,
      error,
      event: { event: 'interrupt' },
      counts: false,
    }
  return afterFailure({ ...lost, error }, policy, nowMs, random)
}
