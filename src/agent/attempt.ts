/**
 * One attempt at one task, from `run` to its ending. The ending is decided here and nowhere else: what parked stays
 * parked although the task catches it, and what the task asked for without waiting is waited for, because a payment
 * under way is no success yet.
 */
import type { ErrorReport, WaitReason } from '../model/model.ts'
import { bounds, type Run } from '../wire/wire.ts'
import type { Context, UpstreamSocket } from './context.ts'
import { readPayload, type Agent, type Task } from './define.ts'
import { type Park, reportOf } from './errors.ts'
import { TaskFailure } from './task-failure.ts'

export type Ending =
  /** `text` is the result as JSON; undefined = there is none. */
  | { readonly method: 'done'; readonly text: string | undefined }
  | { readonly method: 'fail'; readonly params: { readonly error: ErrorReport } }
  | { readonly method: 'park'; readonly params: { readonly reason: WaitReason; readonly until?: number } }

/** Room for the frame around a result. */
const envelopeBytes = 1_024

const nothingAsked: ReadonlySet<Promise<unknown>> = new Set()

export class Attempt {
  readonly run: Run
  parked: Park | undefined = undefined
  /** Its ending is decided and being told: nothing changes it any more. */
  decided = false
  #abort: AbortController | undefined = undefined
  #asked: Set<Promise<unknown>> | undefined = undefined
  #sockets: Set<UpstreamSocket> | undefined = undefined

  constructor(run: Run) {
    this.run = run
  }

  /** Made when it is first asked for: most tasks never look at it, and it costs as much as the rest of an attempt. */
  get abort(): AbortController {
    return (this.#abort ??= new AbortController())
  }

  get aborted(): boolean {
    return this.#abort?.signal.aborted === true
  }

  /** Gives it up, as far as anybody looks. */
  giveUp(why: string): void {
    this.abort.abort(new TaskFailure(why, { kind: 'interrupted' }))
  }

  /** It ends with the attempt: a place at its upstream must not be held by what nobody has in hand. */
  holds(socket: UpstreamSocket): void {
    if (this.decided) return socket.close(1000, 'the attempt has ended')
    const all = (this.#sockets ??= new Set())
    all.add(socket)
    void socket.closed.then(() => all.delete(socket))
  }

  closeSockets(): void {
    for (const socket of this.#sockets ?? []) socket.close(1000, 'the attempt has ended')
  }

  /** Payments and tasks that were asked for and have not been answered yet. */
  get asked(): ReadonlySet<Promise<unknown>> {
    return this.#asked ?? nothingAsked
  }

  remember(asked: Promise<unknown>): void {
    const all = (this.#asked ??= new Set())
    all.add(asked)
    const over = (): void => {
      all.delete(asked)
    }
    asked.then(over, over)
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
  // A UTF-16 unit has three bytes at most: short texts need not be counted.
  if (text === undefined || text.length < bounds.frameBytes / 4) return { method: 'done', text }
  const bytes = Buffer.byteLength(text)
  if (bytes <= bounds.frameBytes - envelopeBytes) return { method: 'done', text }
  return fail(
    new TaskFailure(`the result has ${bytes} bytes, at most ${bounds.frameBytes - envelopeBytes} are taken`, {
      code: 'too-large',
    }),
    'permanent',
  )
}

/** How the task's own code went. */
type Went = { readonly result: unknown } | { readonly error: unknown }

const endingOf = (attempt: Attempt, went: Went, late?: PromiseRejectedResult): Ending => {
  if (attempt.parked !== undefined) {
    const { reason, untilMs } = attempt.parked
    return { method: 'park', params: { reason, ...(untilMs === undefined ? {} : { until: untilMs }) } }
  }
  if ('error' in went) return fail(went.error, attempt.aborted ? 'interrupted' : undefined)
  return late === undefined ? resultEnding(went.result) : fail(late.reason)
}

/** A payment under way that the task never waited for decides with it. */
const decided = (attempt: Attempt, went: Went): Ending | Promise<Ending> => {
  if (attempt.asked.size === 0) return endingOf(attempt, went)
  return Promise.allSettled(attempt.asked).then((all) =>
    endingOf(
      attempt,
      went,
      all.find((one) => one.status === 'rejected'),
    ),
  )
}

const performed = (attempt: Attempt, work: () => unknown): Ending | Promise<Ending> => {
  try {
    const result = work()
    if (typeof result !== 'object' || result === null || typeof (result as { then?: unknown }).then !== 'function')
      return decided(attempt, { result })
    return Promise.resolve(result).then(
      (awaited) => decided(attempt, { result: awaited }),
      (error: unknown) => decided(attempt, { error }),
    )
  } catch (error) {
    return decided(attempt, { error })
  }
}

const readAndPerformed = async (
  attempt: Attempt,
  task: Exclude<Task<never>, (...args: never[]) => unknown>,
  ctx: Context,
): Promise<Ending> => {
  let read: never
  try {
    read = await readPayload(task.parse, attempt.run.payload)
  } catch (error) {
    return fail(new TaskFailure(`payload: ${reportOf(error).message}`, { code: 'invalid', cause: error }), 'permanent')
  }
  return performed(attempt, () => task.run(ctx, read))
}

/** Runs the task to its ending, which is there at once where nothing had to be waited for; never throws or rejects. */
export const decide = (definition: Agent, attempt: Attempt, ctx: Context): Ending | Promise<Ending> => {
  const { type, payload } = attempt.run
  if (!Object.hasOwn(definition.tasks, type)) {
    return fail(
      new TaskFailure(`this agent has no task ${JSON.stringify(type)}`, { code: 'unknown-task-type' }),
      'permanent',
    )
  }
  const task = definition.tasks[type] as Task<never>
  return typeof task === 'function'
    ? performed(attempt, () => task(ctx, payload as never))
    : readAndPerformed(attempt, task, ctx)
}
