/**
 * One attempt at one task, from `run` to its ending. The ending is decided here and nowhere else: what parked stays
 * parked although the task catches it, and what the task asked for without waiting is waited for, because a payment
 * under way is no success yet.
 */
import type { ErrorReport, WaitReason } from '../model/model.ts'
import { bounds, type Run, type SettleAnswer, type TaskAdded } from '../wire/wire.ts'
import type { AgentContext, Context, NewTask, Payment } from './context.ts'
import { readPayload, type Agent, type Task } from './define.ts'
import { Park, reportOf } from './errors.ts'
import type { Requests } from './requests.ts'
import { sharedOf } from './shared.ts'
import { TaskFailure } from './task-failure.ts'

export type Ending =
  | { readonly method: 'done'; readonly params: { readonly result?: unknown } }
  | { readonly method: 'fail'; readonly params: { readonly error: ErrorReport } }
  | { readonly method: 'park'; readonly params: { readonly reason: WaitReason; readonly until?: number } }

/** Room for the frame around a result. */
const envelopeBytes = 1_024

export interface Attempt {
  readonly run: Run
  /** Made when it is first asked for: most tasks never look at it, and it costs as much as the rest of an attempt. */
  readonly abort: AbortController
  parked: Park | undefined
  /** Its ending is decided and being told: nothing changes it any more. */
  decided: boolean
  /** Payments and tasks that were asked for and have not been answered yet. */
  readonly asked: Set<Promise<unknown>>
}

export const newAttempt = (run: Run): Attempt => {
  let abort: AbortController | undefined
  return {
    run,
    get abort() {
      return (abort ??= new AbortController())
    },
    parked: undefined,
    decided: false,
    asked: new Set(),
  }
}

const parkNow = (attempt: Attempt, park: Park): Park => {
  attempt.parked ??= park
  return park
}

const settle = async (attempt: Attempt, requests: Requests, payment: Payment): Promise<SettleAnswer> => {
  const { reference, payee, amount, currency, channel, memo } = payment
  const { agent, attempt: id } = attempt.run
  const params = {
    agent,
    attempt: id,
    reference,
    payee,
    amount,
    currency,
    ...(channel === undefined ? {} : { channel }),
    ...(memo === undefined ? {} : { memo }),
  }
  const answer = (await requests.ask('settle', params, attempt.abort.signal)) as SettleAnswer
  if (answer.state === 'unknown') {
    const why = answer.reason ?? 'its outcome is unknown'
    const message = `settlement ${answer.settlement} of ${reference} waits for a person: ${why}`
    throw parkNow(attempt, new Park('approval', undefined, message))
  }
  return answer
}

/** What was asked for is waited for before the attempt ends, whether or not the task does. */
const remembered = <Answer>(attempt: Attempt, asked: Promise<Answer>): Promise<Answer> => {
  attempt.asked.add(asked)
  const over = (): void => {
    attempt.asked.delete(asked)
  }
  asked.then(over, over)
  // A promise of its own for the task: a rejection that the task never looks at must stay visible as a stray one.
  return asked.then((answer) => answer)
}

const addTask = ({ run, abort }: Attempt, requests: Requests, task: NewTask): Promise<TaskAdded> => {
  const { type, key, payload, priority, delayMs, deadlineMs, after, onFailed } = task
  const params = {
    agent: run.agent,
    attempt: run.attempt,
    type,
    key,
    ...(payload === undefined ? {} : { payload }),
    ...(priority === undefined ? {} : { priority }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(after === undefined ? {} : { after }),
    ...(onFailed === undefined ? {} : { onFailed }),
  }
  return requests.ask('task.add', params, abort.signal) as Promise<TaskAdded>
}

/** The context of one attempt: the agent's own, and what belongs to the task. */
export const contextOf = (
  attempt: Attempt,
  agent: AgentContext,
  tools: { readonly requests: Requests; readonly progress: (text: string) => void },
): Context => {
  const { task, type, number, deadline, key } = attempt.run
  return {
    ...agent,
    get signal() {
      return attempt.abort.signal
    },
    task: { id: task, type, attempt: attempt.run.attempt, number, deadline, key },
    settle: (payment) => remembered(attempt, settle(attempt, tools.requests, payment)),
    addTask: (task) => remembered(attempt, addTask(attempt, tools.requests, task)),
    ...sharedOf(attempt.run, {
      requests: tools.requests,
      signal: () => attempt.abort.signal,
      remember: (asked) => remembered(attempt, asked),
    }),
    progress: tools.progress,
    park: (reason, untilMs) => {
      throw parkNow(attempt, new Park(reason, untilMs, `parked: ${reason}`))
    },
    fail: (message, options) => {
      throw new TaskFailure(message, options)
    },
  }
}

const fail = (thrown: unknown, kind?: string): Ending => ({ method: 'fail', params: { error: reportOf(thrown, kind) } })

const resultEnding = (result: unknown): Ending => {
  let text: string | undefined
  try {
    text = JSON.stringify(result) as string | undefined
  } catch (error) {
    return fail(new TaskFailure('the result has no JSON form', { cause: error }), 'permanent')
  }
  if (text === undefined) return { method: 'done', params: {} }
  // A UTF-16 unit has three bytes at most: short texts need not be counted.
  if (text.length < bounds.frameBytes / 4) return { method: 'done', params: { result } }
  const bytes = Buffer.byteLength(text)
  if (bytes <= bounds.frameBytes - envelopeBytes) return { method: 'done', params: { result } }
  return fail(
    new TaskFailure(`the result has ${bytes} bytes, at most ${bounds.frameBytes - envelopeBytes} are taken`, {
      code: 'too-large',
    }),
    'permanent',
  )
}

/** Runs the task to its ending; never rejects. */
export const decide = async (definition: Agent, attempt: Attempt, ctx: Context): Promise<Ending> => {
  const { type, payload } = attempt.run
  if (!Object.hasOwn(definition.tasks, type)) {
    return fail(
      new TaskFailure(`this agent has no task ${JSON.stringify(type)}`, { code: 'unknown-task-type' }),
      'permanent',
    )
  }
  const task = definition.tasks[type] as Task<never>
  let read = payload as never
  try {
    if (typeof task !== 'function') read = await readPayload(task.parse, payload)
  } catch (error) {
    return fail(new TaskFailure(`payload: ${reportOf(error).message}`, { code: 'invalid', cause: error }), 'permanent')
  }
  let thrown: { readonly error: unknown } | undefined
  let result: unknown
  try {
    result = await (typeof task === 'function' ? task : task.run)(ctx, read)
  } catch (error) {
    thrown = { error }
  }
  // A payment under way that the task never waited for decides with it.
  const late =
    attempt.asked.size === 0
      ? undefined
      : (await Promise.allSettled(attempt.asked)).find((one) => one.status === 'rejected')
  if (attempt.parked !== undefined) {
    const { reason, untilMs } = attempt.parked
    return { method: 'park', params: { reason, ...(untilMs === undefined ? {} : { until: untilMs }) } }
  }
  if (thrown !== undefined) return fail(thrown.error, attempt.abort.signal.aborted ? 'interrupted' : undefined)
  return late === undefined ? resultEnding(result) : fail(late.reason)
}
