/**
 * What the gate refuses because its time has not come is no failure: the task waits in the record until then, without
 * a try and without a process. Which refusals those are, as data; another one is another line.
 */
import type { ErrorReport, WaitReason } from '../model/model.ts'
import type { Random } from '../std/std.ts'
import type { Claimed, Finish } from '../store/store.ts'
import { classify, restOf, type FailedAttempt } from './decide.ts'
import { parked } from './endings.ts'

const waits: Readonly<Record<string, WaitReason>> = {
  limited: 'rate',
  'breaker-open': 'retry',
  'budget-spent': 'quota',
  'credential-unavailable': 'credential',
  frozen: 'maintenance',
  'audit-behind': 'maintenance',
}

/** Where the gate's word on when to come back was not handed on. */
const unsaidMs = 5_000
/** A waiting task is looked at again at least this often: what it waits for may have become shorter. */
const longestMs = 3_600_000
/** Part of the wait by which those who were told the same time come back apart. */
const spread = 0.2

/** What the task waits for; undefined = it is a failure as any other, by the agent's own word too. */
export const waitFor = (error: ErrorReport): WaitReason | undefined =>
  error.code !== undefined && Object.hasOwn(waits, error.code) && classify(error) === 'transient'
    ? waits[error.code]
    : undefined

/** Wall ms at which it is looked at again: never before the time that was told. */
export const waitUntil = (nowMs: number, retryAfterMs: number | undefined, random: Random): number => {
  const waitMs = Math.min(longestMs, retryAfterMs ?? unsaidMs)
  return Math.ceil(nowMs + waitMs + random.next() * Math.max(250, waitMs * spread))
}

/**
 * The end of an attempt that the gate told to wait; undefined for all others. The history keeps why, and what was done
 * is done.
 */
export const waiting = (
  failed: Claimed & FailedAttempt,
  { nowMs, random }: { readonly nowMs: number; readonly random: Random },
): Finish | undefined => {
  const { error } = failed
  const reason = waitFor(error)
  if (reason === undefined) return undefined
  const untilMs = waitUntil(nowMs, error.retryAfterMs, random)
  return { ...parked(failed, reason, untilMs, error.waitsFor), ...restOf(failed), error }
}
