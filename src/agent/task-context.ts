/**
 * The context of one attempt: the agent's own, and what belongs to the task. Its parts are made when a task reads them:
 * most tasks read two or three of sixteen, and all of them made ahead were half of what a task cost its host. Each part
 * is a value of its own, so that a task may take them apart: `const { settle, log } = ctx`.
 */
import type { SettleAnswer, TaskAdded } from '../wire/wire.ts'
import type { Attempt } from './attempt.ts'
import type { AgentContext, Context, NewTask, Payment, UpstreamFetch } from './context.ts'
import { Park } from './errors.ts'
import type { Requests } from './requests.ts'
import { sharedOf } from './shared.ts'
import { TaskFailure } from './task-failure.ts'

export interface TaskTools {
  readonly requests: Requests
  readonly fetch: (ask: Omit<Parameters<UpstreamFetch>[0], 'agent' | 'epoch'>) => ReturnType<UpstreamFetch>
  readonly progress: (text: string) => void
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
  attempt.remember(asked)
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

export class TaskContext implements Context {
  readonly #attempt: Attempt
  readonly #agent: AgentContext
  readonly #tools: TaskTools

  constructor(attempt: Attempt, agent: AgentContext, tools: TaskTools) {
    this.#attempt = attempt
    this.#agent = agent
    this.#tools = tools
  }

  get agent(): string {
    return this.#agent.agent
  }
  get config(): Context['config'] {
    return this.#agent.config
  }
  get log(): Context['log'] {
    return this.#agent.log
  }
  get fetch(): Context['fetch'] {
    return (upstream, path, init = {}) => {
      const { decided, run, abort } = this.#attempt
      if (decided) {
        const message = `${run.attempt} is over: it makes no calls any more`
        return Promise.reject(new TaskFailure(message, { code: 'stale', kind: 'refused' }))
      }
      return this.#tools.fetch({ attempt: run.attempt, upstream, path, init, signal: abort.signal })
    }
  }
  get socket(): Context['socket'] {
    return this.#agent.socket
  }
  get signal(): AbortSignal {
    return this.#attempt.abort.signal
  }
  get task(): Context['task'] {
    const { task, type, attempt, number, deadline, key } = this.#attempt.run
    return { id: task, type, attempt, number, deadline, key }
  }
  get settle(): Context['settle'] {
    return (payment) => remembered(this.#attempt, settle(this.#attempt, this.#tools.requests, payment))
  }
  get addTask(): Context['addTask'] {
    return (task) => remembered(this.#attempt, addTask(this.#attempt, this.#tools.requests, task))
  }
  get state(): Context['state'] {
    return this.#shared.state
  }
  get lock(): Context['lock'] {
    return this.#shared.lock
  }
  get progress(): Context['progress'] {
    return this.#tools.progress
  }
  get park(): Context['park'] {
    return (reason, untilMs) => {
      throw parkNow(this.#attempt, new Park(reason, untilMs, `parked: ${reason}`))
    }
  }
  get fail(): Context['fail'] {
    return (message, options) => {
      throw new TaskFailure(message, options)
    }
  }

  get #shared(): Pick<Context, 'state' | 'lock'> {
    const attempt = this.#attempt
    return sharedOf(attempt.run, {
      requests: this.#tools.requests,
      signal: () => attempt.abort.signal,
      remember: (asked) => remembered(attempt, asked),
    })
  }
}
