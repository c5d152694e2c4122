/** Ends of attempts that need no judgement, and what people are told of a death. */
import type { DeadReason, ErrorReport, Mode, WaitReason } from '../model/model.ts'
import type { Claimed, Finish, NewEvent } from '../store/store.ts'
import { restOf, type FailedAttempt } from './decide.ts'

type Ended = Pick<Claimed, 'attempt' | 'type'>

/** `result` is JSON text. */
export const succeeded = ({ attempt, type }: Ended, result: string | null): Finish => ({
  attempt,
  type,
  outcome: 'succeeded',
  result,
  error: null,
  event: { event: 'succeed' },
  counts: true,
  deadly: false,
})

/** Waiting costs nothing: neither a try nor an agent. `waitsFor`: what may open before its time (early.ts). */
export const parked = (
  { attempt, type }: Ended,
  reason: WaitReason,
  untilMs: number | null,
  waitsFor?: string,
): Finish => ({
  attempt,
  type,
  outcome: 'interrupted',
  result: null,
  error: null,
  event: { event: 'park', reason, untilMs, ...(waitsFor !== undefined && { waitsFor }) },
  counts: false,
  deadly: false,
})

/**
 * A task that parks until now is given out again, which its cell may answer whatever it has sent before: without a
 * least delay that is a loop without a bound.
 */
const leastParkMs = 100

/** The same end; what parks does not come back at once. One that waits to be woken has no time. */
export const notAtOnce = (finish: Finish, nowMs: number): Finish => {
  const { event } = finish
  if (event.event !== 'park' || event.untilMs === null || event.untilMs >= nowMs + leastParkMs) return finish
  return { ...finish, event: { ...event, untilMs: nowMs + leastParkMs } }
}

/** A task whose agent's mode forbade what it does is looked at again after this, or when its mode is another one. */
const forbiddenMs = 30_000

/** It waits; what it did before it was forbidden is done. */
export const forbidden = (failed: Claimed & FailedAttempt, nowMs: number): Finish => {
  const waits = parked(failed, 'maintenance', nowMs + forbiddenMs, `mode ${failed.agent}`)
  const left = restOf(failed)
  return left.rest === undefined ? waits : { ...waits, ...left, error: failed.error }
}

/** Whether what was forbidden may be forbidden still. */
export const mayForbid = (mode: Mode): boolean => mode === 'parked' || mode === 'shadow' || mode === 'readonly'

/**
 * Whether a failure is the doing of a mode and no try. Parked, whatever failed: nothing could go out. In shadow and
 * readonly what says so itself, by the gate's code.
 */
export const isForbidden = (mode: Mode, error: ErrorReport): boolean =>
  mode === 'parked' || (mayForbid(mode) && error.code === 'mode-forbids')

const whatNext = ({ event }: Finish): string => {
  if (event.event === 'give-up') return 'waits as a dead letter; its redrive does that alone'
  return event.event === 'retry' ? 'is tried again alone' : 'waits, and is tried alone'
}

/** One event for each attempt that did part of its work. */
export const partsOf = (ends: readonly { readonly claimed: Claimed; readonly finish: Finish }[]): readonly NewEvent[] =>
  ends.flatMap(({ claimed: { task, type, agent, attempt, number }, finish }) =>
    finish.rest === undefined
      ? []
      : [
          {
            kind: 'task.partial',
            level: 'warn',
            subject: task,
            message: `${type} task did part of its work in attempt ${number}; the rest ${whatNext(finish)}`,
            facts: { type, agent, attempt, outcome: finish.outcome, next: finish.event.event },
          },
        ],
  )

/** What an end says about its agent. A payload that is refused says nothing, nor does what was interrupted. */
export const evidenceOf = ({ outcome }: Pick<Finish, 'outcome'>): 'worked' | 'failed' | undefined => {
  if (outcome === 'succeeded') return 'worked'
  return outcome === 'transient' || outcome === 'unknown' || outcome === 'poison' ? 'failed' : undefined
}

const late: ErrorReport = {
  name: 'DeadlineExceeded',
  message: 'the task did not end before its deadline',
  kind: 'permanent',
}

export const pastDeadline = ({ attempt, type }: Ended): Finish => ({
  attempt,
  type,
  outcome: 'permanent',
  result: null,
  error: late,
  event: { event: 'give-up', reason: 'deadline' },
  counts: true,
  deadly: false,
})

const spent: ErrorReport = {
  name: 'WorkSpent',
  message: 'the task was in hand for as long as it may, over all its attempts',
  kind: 'permanent',
}

export const pastWork = ({ attempt, type }: Ended): Finish => ({
  ...pastDeadline({ attempt, type }),
  error: spent,
  event: { event: 'give-up', reason: 'work' },
})

const died = (task: string, type: string, reason: DeadReason, told: Pick<NewEvent, 'message' | 'facts'>): NewEvent => ({
  kind: 'task.died',
  level: 'error',
  subject: task,
  message: told.message.slice(0, 500),
  facts: { type, reason, ...told.facts },
})

/** One event for each attempt whose task it buried. */
export const deathsOf = (
  ends: readonly { readonly claimed: Claimed; readonly finish: Finish }[],
): readonly NewEvent[] =>
  ends.flatMap(({ claimed, finish: { event, error, outcome } }) =>
    event.event === 'give-up'
      ? [
          died(claimed.task, claimed.type, event.reason, {
            message: `${claimed.type} task is dead after attempt ${claimed.number}: ${error?.message ?? ''}`,
            facts: { agent: claimed.agent, attempt: claimed.attempt, outcome },
          }),
        ]
      : [],
  )

export const expiredEvents = (
  expired: readonly { readonly task: string; readonly type: string }[],
): readonly NewEvent[] =>
  expired.map(({ task, type }) =>
    died(task, type, 'deadline', {
      message: `${type} task is dead: its deadline passed before any agent had it in hand`,
      facts: {},
    }),
  )
