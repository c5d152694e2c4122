/**
 * The room's deeds: submit, give out, take back, retry, bury. Every decision is in decide.ts; every change is one list
 * of commands.
 */
import type { Fleet } from '../fleet/fleet.ts'
import type { ErrorReport, TaskEvent, TaskType } from '../model/model.ts'
import { Failure, type Cancel, type Clock, type NewId, type Random } from '../std/std.ts'
import type { Claimed, Command, Finish, NewEvent, Store } from '../store/store.ts'
import { afterFailure, afterLoss } from './decide.ts'
import { openDispatch, type Dispatch } from './dispatch.ts'
import type { TaskAnswer, TaskAsk, Work, WorkRequest, WorkSummary } from './port.ts'
import { shapeTask } from './submit.ts'

export interface WorkOptions {
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Store
  readonly fleet: Pick<Fleet, 'take' | 'freeCount' | 'release' | 'run' | 'cancel'>
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  readonly owner: string
  readonly epoch: number
  /** Whether an attempt waits for something outside its agent: its deadline then waits too. */
  waitsOutside(attempt: string): boolean
  /** The record refused a write it should not refuse, or is lost: the assembly stops the process. */
  failed(error: unknown): void
}

/** Due tasks made ready in one transaction. */
const dueSize = 5_000
const deadlineSweepMs = 1_000

class WorkRoom implements Work {
  readonly #options: WorkOptions
  readonly #dispatch: Dispatch
  /** Attempts given out by this sitter and not ended: at most one an agent. */
  readonly #inHand = new Map<string, Claimed>()
  #started = false
  #dueTimer: Cancel | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #sweep: Cancel | undefined

  constructor(options: WorkOptions) {
    this.#options = options
    const { store, owner, epoch, clock } = options
    this.#dispatch = openDispatch({
      fleet: options.fleet,
      newId: options.newId,
      claim: async (agentType, slots) => {
        const [result] = await store.transact([
          { kind: 'tasks.claim', with: { agentType, slots, owner, epoch, wallMs: clock.wallMs() } },
        ])
        if (!result.ok) throw new Failure('stale', result.detail)
        return result.value
      },
      begin: (claimed) => this.#begin(claimed),
      failed: options.failed,
    })
    store.onCommit((committed) => {
      for (const { command } of committed) if (command.kind === 'task.move') this.#readyAll()
    })
  }

  start(): void {
    this.#started = true
    this.#readyAll()
    this.#armStored()
    const sweep = (): void => {
      this.#sweepDeadlines()
      this.#sweep = this.#options.clock.timer(deadlineSweepMs, sweep)
    }
    this.#sweep = this.#options.clock.timer(deadlineSweepMs, sweep)
  }

  async stop(): Promise<void> {
    this.#started = false
    this.#dispatch.stop()
    this.#dueTimer?.()
    this.#sweep?.()
  }

  #readyAll(): void {
    const tell = async (): Promise<void> => {
      const agentTypes = await this.#options.store.read.readyTypes()
      if (this.#started) for (const agentType of agentTypes) this.#dispatch.ready(agentType)
    }
    if (this.#started) tell().catch(this.#options.failed)
  }

  #armStored(): void {
    this.#options.store.read.nextTaskDueMs().then((dueMs) => this.#armDue(dueMs), this.#options.failed)
  }

  free(agentType: string): void {
    if (this.#started) this.#dispatch.free(agentType)
  }

  async submit(asks: readonly TaskAsk[], extra: readonly Command[] = []): Promise<readonly TaskAnswer[]> {
    const { tasks: types, store, newId, clock, owner, epoch } = this.#options
    if (asks.length === 0) throw new Failure('invalid', 'there is no task to submit')
    const wallMs = clock.wallMs()
    const tasks = asks.map((ask) => shapeTask(ask, types, newId, wallMs))
    const agentType = tasks[0]!.agentType
    const oneType = tasks.every((task) => task.agentType === agentType)
    const claim = this.#started && oneType ? this.#dispatch.slotsFor(agentType, tasks.length) : []
    const command: Command = { kind: 'tasks.submit', with: { tasks, all: true, claim, owner, epoch, wallMs } }
    let results
    try {
      results = await store.transact([command, ...extra])
    } catch (error) {
      this.#dispatch.settleSlots(claim, [])
      throw error
    }
    const refused = results.find((result) => !result.ok && result.refusal !== 'rolled-back')
    const first = results[0] as Extract<(typeof results)[0], { ok: true }>
    const value = first.ok
      ? (first.value as {
          submitted: readonly { id: string; outcome: TaskAnswer['outcome'] }[]
          claimed: readonly Claimed[]
        })
      : undefined
    this.#dispatch.settleSlots(claim, value?.claimed ?? [])
    if (refused && !refused.ok) {
      if (refused.refusal === 'exists-with-different')
        throw new Failure('task-exists-with-different', `the key is taken by ${refused.detail} with another payload`)
      throw new Failure('conflict', refused.detail)
    }
    for (const task of new Set(tasks.map((one) => one.agentType))) if (this.#started) this.#dispatch.ready(task)
    this.#armDue(
      tasks.reduce<number | null>(
        (soonest, task) => (task.notBeforeMs === null ? soonest : Math.min(soonest ?? Infinity, task.notBeforeMs)),
        null,
      ),
    )
    return value!.submitted
  }

  async request(request: WorkRequest, agent: string): Promise<null> {
    const { attempt } = request.params
    switch (request.method) {
      case 'done': {
        const result = request.params.result === undefined ? null : JSON.stringify(request.params.result)
        return this.#finish(agent, attempt, () => ({
          attempt,
          outcome: 'succeeded',
          result,
          error: null,
          event: { event: 'succeed' },
          counts: true,
        }))
      }
      case 'fail': {
        const { error } = request.params
        return this.#finish(agent, attempt, (claimed) => this.#failure(claimed, error))
      }
      case 'park': {
        const event: TaskEvent = { event: 'park', reason: request.params.reason, untilMs: request.params.until ?? null }
        return this.#finish(agent, attempt, () => ({
          attempt,
          outcome: 'interrupted',
          result: null,
          error: null,
          event,
          counts: false,
        }))
      }
    }
  }

  #policy(claimed: Claimed): { max: number; baseMs: number; capMs: number } {
    const type = this.#options.tasks[claimed.type]
    // A type that left the config while its task ran: what is running may end, it is not tried again.
    return type ? type.retry : { max: 1, baseMs: 1_000, capMs: 1_000 }
  }

  #failure(claimed: Claimed, error: ErrorReport): Finish {
    return afterFailure(
      { ...claimed, error },
      this.#policy(claimed),
      this.#options.clock.wallMs(),
      this.#options.random,
    )
  }

  /** Ends an attempt of this agent; answers only after the commit. */
  async #finish(agent: string, attempt: string, decide: (claimed: Claimed) => Finish): Promise<null> {
    const claimed = this.#inHand.get(attempt)
    if (claimed === undefined) return this.#late(agent, attempt)
    if (claimed.agent !== agent) throw new Failure('not-your-agent', `${attempt} belongs to another agent`)
    const finish = decide(claimed)
    await this.#end([{ claimed, finish }])
    return null
  }

  /**
   * A result for an attempt that is no longer in hand: told twice, or too late. Nothing changes; the answer says which.
   */
  async #late(agent: string, attempt: string): Promise<null> {
    const there = await this.#options.store.read.attempt(attempt)
    if (there?.agent !== agent) throw new Failure('not-found', `there is no attempt ${attempt} of ${agent}`)
    if (there.outcome === 'succeeded') return null
    throw new Failure('stale', `${attempt} has ended as ${there.outcome ?? 'unknown'}: a newer attempt owns the task`)
  }

  lost(attempts: readonly { attempt: string; agent: string; cause: string; collateral: boolean }[]): void {
    const { clock, random, failed } = this.#options
    const nowMs = clock.wallMs()
    const ends = attempts.flatMap((one) => {
      const claimed = this.#inHand.get(one.attempt)
      return claimed
        ? [
            {
              claimed,
              finish: afterLoss(
                { ...claimed, cause: one.cause, collateral: one.collateral },
                this.#policy(claimed),
                nowMs,
                random,
              ),
            },
          ]
        : []
    })
    if (ends.length > 0) this.#end(ends).catch(failed)
  }

  async #end(ends: readonly { readonly claimed: Claimed; readonly finish: Finish }[]): Promise<void> {
    const { store, clock } = this.#options
    // Out of hand at once, so that nothing ends an attempt twice; back in hand when the record takes nothing now.
    for (const { claimed } of ends) this.#inHand.delete(claimed.attempt)
    const wallMs = clock.wallMs()
    const buried: NewEvent[] = ends
      .filter(({ finish }) => finish.event.event === 'give-up')
      .map(({ claimed, finish }) => ({
        kind: 'task.died',
        level: 'error',
        subject: claimed.task,
        message: `${claimed.type} task is dead after attempt ${claimed.number}: ${finish.error?.message ?? ''}`.slice(
          0,
          500,
        ),
        facts: { type: claimed.type, agent: claimed.agent, attempt: claimed.attempt, outcome: finish.outcome },
      }))
    const finishes: Command = { kind: 'attempts.finish', with: { finishes: ends.map((end) => end.finish), wallMs } }
    const events: Command[] = buried.length > 0 ? [{ kind: 'events.add', with: { events: buried, wallMs } }] : []
    try {
      await store.transact([finishes, ...events])
    } catch (error) {
      for (const { claimed } of ends) this.#inHand.set(claimed.attempt, claimed)
      throw error
    }
    for (const { claimed, finish } of ends) this.#after(this.#options.tasks[claimed.type]?.agent, finish.event)
  }

  #after(agentType: string | undefined, event: TaskEvent): void {
    if (event.event === 'interrupt' && agentType !== undefined && this.#started) this.#dispatch.ready(agentType)
    if (event.event === 'retry' || event.event === 'park') this.#armDue(event.untilMs)
  }

  /** Takes claimed tasks in hand; those past their deadline are ended at once and not given out. */
  #begin(claimed: readonly Claimed[]): readonly Claimed[] {
    const nowMs = this.#options.clock.wallMs()
    for (const one of claimed) this.#inHand.set(one.attempt, one)
    const late = claimed.filter((one) => one.deadlineMs !== null && one.deadlineMs <= nowMs)
    if (late.length === 0) return claimed
    this.#end(late.map((one) => ({ claimed: one, finish: this.#pastDeadline(one) }))).catch(this.#options.failed)
    return claimed.filter((one) => !late.includes(one))
  }

  #pastDeadline(claimed: Claimed): Finish {
    const error: ErrorReport = {
      name: 'DeadlineExceeded',
      message: 'the task did not end before its deadline',
      kind: 'permanent',
    }
    return {
      attempt: claimed.attempt,
      outcome: 'permanent',
      result: null,
      error,
      event: { event: 'give-up' },
      counts: true,
    }
  }

  /** Running attempts past their deadline: the agent is told to stop, the task is dead, a late result is stale. */
  #sweepDeadlines(): void {
    const nowMs = this.#options.clock.wallMs()
    const late = [...this.#inHand.values()].filter(
      (one) => one.deadlineMs !== null && one.deadlineMs <= nowMs && !this.#options.waitsOutside(one.attempt),
    )
    if (late.length === 0) return
    for (const one of late) this.#options.fleet.cancel(one.agent, one.attempt, 'deadline')
    this.#end(late.map((one) => ({ claimed: one, finish: this.#pastDeadline(one) }))).catch(this.#options.failed)
  }

  /** Wakes at the earliest wall time known; the record is asked what is due then. */
  #armDue(untilMs: number | null): void {
    if (untilMs === null || !this.#started || untilMs >= this.#dueMs) return
    this.#dueTimer?.()
    this.#dueMs = untilMs
    this.#dueTimer = this.#options.clock.timer(Math.max(0, untilMs - this.#options.clock.wallMs()), () => {
      this.#due().catch(this.#options.failed)
    })
  }

  async #due(): Promise<void> {
    const { store, clock } = this.#options
    this.#dueMs = Number.POSITIVE_INFINITY
    const [result] = await store.transact([{ kind: 'tasks.due', with: { wallMs: clock.wallMs(), limit: dueSize } }])
    if (result.ok && this.#started) for (const agentType of result.value.agentTypes) this.#dispatch.ready(agentType)
    this.#armDue(await store.read.nextTaskDueMs())
  }

  async move(task: string, event: 'cancel' | 'redrive' | 'wake', actor: string): Promise<void> {
    const { store, clock } = this.#options
    const wallMs = clock.wallMs()
    const [moved] = await store.transact([
      {
        kind: 'task.move',
        with: { task, event: { event }, resetAttempts: event === 'redrive', orNothing: false, wallMs },
      },
      {
        kind: 'audit.append',
        with: { entries: [{ actor, action: `task.${event}`, object: task, decision: 'done', facts: {} }], wallMs },
      },
    ])
    if (!moved.ok) throw new Failure(moved.refusal === 'not-found' ? 'not-found' : 'conflict', moved.detail)
    if (event !== 'cancel') return
    const running = [...this.#inHand.values()].find((one) => one.task === task)
    if (running === undefined) return
    this.#inHand.delete(running.attempt)
    this.#options.fleet.cancel(running.agent, running.attempt, 'cancelled')
  }

  async summary(): Promise<WorkSummary> {
    const { read } = this.#options.store
    const byType: Record<string, Record<string, number>> = {}
    for (const { type, state, count } of await read.taskCounts()) (byType[type] ??= {})[state] = count
    const attempts = Object.fromEntries((await read.attemptCounts()).map(({ outcome, count }) => [outcome, count]))
    const moving = Object.values(byType).some((states) => (states['ready'] ?? 0) + (states['running'] ?? 0) > 0)
    return { byType, attempts, idle: !moving && (await read.nextTaskDueMs()) === null }
  }
}

/** Opens the room; nothing is given out before `start`. */
export const openWork = (options: WorkOptions): Work => new WorkRoom(options)
