/**
 * The room's deeds: submit, give out, take back, retry, bury. Every decision is in decide.ts; every change is one list
 * of commands.
 */
import type { TaskEvent } from '../model/model.ts'
import { Failure, fromCivil, toCivil, type Cancel } from '../std/std.ts'
import {
  patiently,
  type Claimed,
  type Command,
  type Finish,
  type Finished,
  type NewTask,
  type Page,
  type PageAsk,
  type Result,
  type Submitted,
} from '../store/store.ts'
import { openBudgets, type Budgets, type Ending } from './budget.ts'
import { afterFailure, afterLoss, type FailedAttempt } from './decide.ts'
import { askedBy } from './asked.ts'
import { openDispatch, type Dispatch } from './dispatch.ts'
import {
  evidenceOf,
  expiredEvents,
  forbidden,
  isForbidden,
  parked,
  pastDeadline,
  pastWork,
  succeeded,
} from './endings.ts'
import { assertTaken, Hand } from './hand.ts'
import { openHolding, type Holding } from './holding.ts'
import { openNearest } from './nearest.ts'
import type { WorkOptions } from './options.ts'
import { discardOne, editTask, moveTask, redriveOne, redriveSelected } from './people.ts'
import type { LockStatus, TaskAnswer, TaskAsk, Work, WorkRequest, WorkSummary } from './port.ts'
import { freeLock, listLocks, putState, readState, renewLock, takeLock } from './shared.ts'
import { assertUrgent } from './shed.ts'
import { shapeTask, submitRefusal } from './submit.ts'
import { openSpent } from './spent.ts'
import { summaryOf } from './summary.ts'
import { waiting } from './waits.ts'
import { openWaking } from './waking.ts'

/** Due tasks made ready, and late ones buried, in one transaction. */
const dueSize = 5_000
/** After these somebody else may start, or have to be woken. */
const moves: ReadonlySet<string> = new Set(['task.move', 'tasks.open', 'dead.redrive', 'dead.discard', 'tasks.expire'])
const deadlineSweepMs = 1_000

interface SubmitValue {
  readonly submitted: readonly Submitted[]
  readonly claimed: readonly Claimed[]
}

type EndRequest = Extract<WorkRequest, { method: 'done' | 'fail' | 'park' }>

const soonest = (tasks: readonly NewTask[]): number | null =>
  tasks.reduce<number | null>(
    (first, task) => (task.notBeforeMs === null ? first : Math.min(first ?? Infinity, task.notBeforeMs)),
    null,
  )

class WorkRoom implements Work {
  readonly #options: WorkOptions
  readonly #dispatch: Dispatch
  readonly #hand: Hand
  readonly #holding: Holding
  readonly #budgets: Budgets
  readonly #nearestDeadline: () => Promise<number>
  readonly #spent: ReturnType<typeof openSpent>
  #started = false
  #dueTimer: Cancel | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #sweep: Cancel | undefined

  constructor(options: WorkOptions) {
    this.#options = options
    this.#budgets = openBudgets(options.tasks, options.random)
    const { store, owner, epoch, clock } = options
    this.#hand = new Hand({ store, clock, budgets: this.#budgets, ended: (ends, done) => this.#ended(ends, done) })
    this.#nearestDeadline = openNearest(store)
    const isOn = (): boolean => this.#started
    const wake = openWaking({ ...options, isOn, taken: (type) => this.#dispatch.taken(type) })
    this.#holding = openHolding({
      ...options,
      isOn,
      // No agent has this number: what holds for it holds for all of the type.
      modeOf: (agentType) => options.modeOf?.(`${agentType}/0000`),
      ready: (agentType) => this.#dispatch.ready(agentType),
    })
    this.#spent = openSpent(options)
    this.#dispatch = openDispatch({
      fleet: options.fleet,
      dateOf: (wallMs) => toCivil(clock, wallMs),
      claim: async (agentType, slots, turn) => {
        const [result] = await patiently(store, [
          { kind: 'tasks.claim', with: { agentType, slots, turn, owner, epoch, wallMs: clock.wallMs() } },
        ])
        if (!result.ok) throw new Failure('stale', result.detail)
        return result.value
      },
      begin: (claimed) => this.#begin(claimed),
      short: (agentType, isShort) => {
        if (!(isShort && this.#holding.short(agentType))) wake(agentType, isShort)
      },
      failed: options.failed,
    })
    store.onCommit((committed) => {
      const claimed: Claimed[] = []
      for (const { command, value } of committed) {
        if (command.kind === 'tasks.claim' || command.kind === 'tasks.submit')
          claimed.push(...(value as { readonly claimed: readonly Claimed[] }).claimed)
        if (command.kind === 'task.move' && command.with.event.event === 'cancel')
          this.#cancelled(command.with.task, claimed)
      }
      if (committed.some(({ command }) => moves.has(command.kind))) this.#readyAll()
    })
  }

  start(): void {
    this.#started = true
    this.#readyAll()
    if (this.#options.modeOf !== undefined) this.#holding.look()
    const sweep = (): void => {
      this.#sweepDeadlines()
      this.#dispatch.look()
      this.#expire().catch(this.#options.failed)
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
      this.#armDue(await this.#options.store.read.nextTaskDueMs())
    }
    if (this.#started) tell().catch(this.#options.failed)
  }

  remoded(): void {
    this.#holding.look()
  }

  free(agentType: string): void {
    if (this.#started) this.#dispatch.free(agentType)
  }

  async submit(asks: readonly TaskAsk[], extra: readonly Command[] = []): Promise<readonly TaskAnswer[]> {
    const { tasks: types, store, newId, clock, owner, epoch } = this.#options
    if (asks.length === 0) throw new Failure('invalid', 'there is no task to submit')
    const wallMs = clock.wallMs()
    const tasks = asks.map((ask) => shapeTask(ask, types, newId, wallMs))
    assertUrgent(tasks, store.load ?? 0)
    const agentType = tasks[0]!.agentType
    const oneType = tasks.every((task) => task.agentType === agentType)
    const claim = this.#started && oneType ? this.#dispatch.slotsFor(agentType, tasks.length) : []
    const turn = this.#dispatch.turn(agentType)
    const command: Command = { kind: 'tasks.submit', with: { tasks, all: true, claim, turn, owner, epoch, wallMs } }
    let results
    try {
      results = await store.transact([command, ...extra])
    } catch (error) {
      this.#dispatch.settleSlots(agentType, claim, [])
      throw error
    }
    const refused = results.find((result) => !result.ok && result.refusal !== 'rolled-back')
    const [first] = results as readonly [Result<SubmitValue>, ...Result<unknown>[]]
    this.#dispatch.settleSlots(agentType, claim, first.ok ? first.value.claimed : [])
    if (refused && !refused.ok) throw submitRefusal(refused, refused === first)
    const { submitted, claimed } = (first as Extract<typeof first, { ok: true }>).value
    // When every task is running already, nobody has to look for one that waits.
    if (this.#started && claimed.length < submitted.length)
      for (const type of new Set(tasks.map((one) => one.agentType))) this.#dispatch.ready(type)
    this.#armDue(soonest(tasks))
    return submitted as readonly TaskAnswer[]
  }

  request(request: WorkRequest, agent: string): Promise<unknown> {
    const { method, params } = request
    const { attempt } = params
    if (method === 'done') return this.#succeed(agent, attempt, params.resultText)
    if (method === 'fail')
      return this.#finish(agent, attempt, (claimed) => this.#failure({ ...claimed, error: params.error }))
    if (method === 'park')
      return this.#finish(agent, attempt, (claimed) => parked(claimed, params.reason, this.#untilOf(params.until)))
    return this.#asked(request, agent)
  }

  /** Agents name a time by the machine's clock. */
  #untilOf(civilMs: number | undefined): number | null {
    return civilMs === undefined ? null : fromCivil(this.#options.clock, civilMs)
  }

  async #asked(request: Exclude<WorkRequest, EndRequest>, agent: string): Promise<unknown> {
    const { task } = this.#owned(agent, request.params.attempt)
    return askedBy(this, request, { agent, task, wallMs: this.#options.clock.wallMs() })
  }

  /** What an attempt asks on its way, it may ask only as long as it has its task. */
  #owned(agent: string, attempt: string): Claimed {
    const claimed = this.#hand.get(attempt)
    if (claimed?.agent === agent) return claimed
    throw new Failure('stale', `${agent} does not have ${attempt} in hand any more`)
  }

  #policy(claimed: Claimed): { max: number; baseMs: number; capMs: number } {
    const type = this.#options.tasks[claimed.type]
    // A type that left the config while its task ran: what is running may end, it is not tried again.
    return type ? type.retry : { max: 1, baseMs: 1_000, capMs: 1_000 }
  }

  /** What the mode of its agent forbids, or the gate puts off, costs no attempt: the task waits. */
  #failure(failed: Claimed & FailedAttempt): Finish {
    const { modeOf, clock, random } = this.#options
    const nowMs = clock.wallMs()
    const mode = modeOf?.(failed.agent).mode ?? 'active'
    if (isForbidden(mode, failed.error)) return forbidden(failed, nowMs)
    return waiting(failed, { nowMs, random }) ?? afterFailure(failed, this.#policy(failed), nowMs, random)
  }

  /** Ends an attempt of this agent that succeeded; answers only after the commit. One promise: most ends are this. */
  #succeed(agent: string, attempt: string, result: string | null): Promise<null> {
    const claimed = this.#hand.get(attempt)
    if (claimed?.agent !== agent) return this.#notInHand(agent, attempt)
    return this.#hand.succeed(claimed, succeeded(claimed, result))
  }

  /** As `#succeed`, any other end. */
  async #finish(agent: string, attempt: string, decide: (claimed: Claimed) => Finish): Promise<null> {
    const claimed = this.#hand.get(attempt)
    if (claimed?.agent !== agent) return this.#notInHand(agent, attempt)
    const [finished] = await this.#hand.end([{ claimed, finish: decide(claimed) }])
    assertTaken(attempt, finished)
    return null
  }

  /**
   * A result for an attempt that is no longer in hand: told twice, or too late. Nothing changes; the answer says which.
   */
  async #notInHand(agent: string, attempt: string): Promise<null> {
    if (this.#hand.get(attempt) !== undefined)
      throw new Failure('not-your-agent', `${attempt} belongs to another agent`)
    const there = await this.#options.store.read.attempt(attempt)
    if (there?.agent !== agent) throw new Failure('not-found', `there is no attempt ${attempt} of ${agent}`)
    if (there.outcome === 'succeeded') return null
    throw new Failure('stale', `${attempt} has ended as ${there.outcome ?? 'unknown'}: a newer attempt owns the task`)
  }

  lost(attempts: Parameters<Work['lost']>[0]): void {
    const { clock, random, failed } = this.#options
    const nowMs = clock.wallMs()
    const ends = attempts.flatMap((one) => {
      const claimed = this.#hand.get(one.attempt)
      return claimed
        ? [
            {
              claimed,
              finish: afterLoss(
                { ...claimed, cause: one.cause, collateral: one.collateral, alone: one.alone === true },
                this.#policy(claimed),
                nowMs,
                random,
              ),
            },
          ]
        : []
    })
    if (ends.length > 0) this.#hand.end(ends, patiently).catch(failed)
  }

  /** The record has taken these ends. */
  #ended(ends: readonly Ending[], finished: readonly Finished[]): void {
    const { ended } = this.#options
    if (ended !== undefined) {
      for (const { claimed, finish } of ends) {
        const evidence = evidenceOf(finish)
        if (evidence !== undefined) ended(claimed.agent, evidence)
      }
    }
    for (const { claimed, finish } of ends)
      if (finish.event.event !== 'succeed') this.#after(this.#options.tasks[claimed.type]?.agent, finish.event)
    const readied = new Set<string>()
    for (const one of finished) for (const agentType of one.readied) readied.add(agentType)
    if (readied.size === 0 || !this.#started) return
    // Those that came after these tasks: ready now, or due at a time of their own.
    for (const agentType of readied) this.#dispatch.ready(agentType)
    this.#options.store.read.nextTaskDueMs().then((dueMs) => this.#armDue(dueMs), this.#options.failed)
  }

  #after(agentType: string | undefined, event: TaskEvent): void {
    if (event.event === 'interrupt' && agentType !== undefined && this.#started) this.#dispatch.ready(agentType)
    if (event.event === 'retry' || event.event === 'park') this.#armDue(event.untilMs)
  }

  /**
   * Takes claimed tasks in hand; those past their deadline are ended at once and not given out, nor are those that were
   * cancelled in the commit that claimed them.
   */
  #begin(all: readonly Claimed[]): readonly Claimed[] {
    const nowMs = this.#options.clock.wallMs()
    const claimed = this.#hand.take(all)
    this.#options.urgent?.(claimed.map(({ agent, priority }) => [agent, priority]))
    for (const one of claimed) this.#budgets.started(one, nowMs)
    const late = claimed.filter((one) => one.deadlineMs !== null && one.deadlineMs <= nowMs)
    if (late.length === 0) return claimed
    const ends = late.map((one) => ({ claimed: one, finish: pastDeadline(one) }))
    this.#hand.end(ends, patiently).catch(this.#options.failed)
    return claimed.filter((one) => !late.includes(one))
  }

  /**
   * Running attempts past their deadline, or whose task has spent its work: the agent is told to stop, the task is
   * dead, a late result is stale.
   */
  #sweepDeadlines(): void {
    const nowMs = this.#options.clock.wallMs()
    const late = this.#hand.held.filter(
      (one) => one.deadlineMs !== null && one.deadlineMs <= nowMs && !this.#options.waitsOutside(one.attempt),
    )
    const spent = this.#spent(this.#hand.held).filter((one) => !late.includes(one))
    const ends = [
      ...late.map((one) => ({ claimed: one, finish: pastDeadline(one), why: 'deadline' })),
      ...spent.map((one) => ({ claimed: one, finish: pastWork(one), why: 'its work is spent' })),
    ]
    if (ends.length === 0) return
    for (const { claimed, why } of ends) this.#options.fleet.cancel(claimed.agent, claimed.attempt, why)
    this.#hand.end(ends, patiently).catch(this.#options.failed)
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
    const [result] = await patiently(store, [{ kind: 'tasks.due', with: { wallMs: clock.wallMs(), limit: dueSize } }])
    if (result.ok && this.#started) for (const agentType of result.value.agentTypes) this.#dispatch.ready(agentType)
    this.#armDue(await store.read.nextTaskDueMs())
  }

  /** Tasks past their deadline that no agent has in hand. */
  async #expire(): Promise<void> {
    const { store, clock } = this.#options
    const nextMs = await this.#nearestDeadline()
    const wallMs = clock.wallMs()
    if (nextMs > wallMs || !this.#started) return
    const [result] = await patiently(store, [{ kind: 'tasks.expire', with: { wallMs, limit: dueSize } }])
    if (!result.ok || result.value.expired.length === 0) return
    const events = expiredEvents(result.value.expired)
    await patiently(store, [{ kind: 'events.add', with: { events, wallMs } }])
  }

  async move(task: string, event: 'cancel' | 'redrive' | 'discard' | 'wake', actor: string): Promise<void> {
    if (event === 'redrive') return redriveOne(this.#options, task, actor)
    if (event === 'discard') return discardOne(this.#options, task, actor)
    return moveTask(this.#options, task, event, actor)
  }

  /** Whoever cancelled it: the attempt is told to stop, and what it still says is stale. */
  #cancelled(task: string, claimed: readonly Claimed[]): void {
    const running = this.#hand.cancelled(task, claimed)
    if (running !== undefined) this.#options.fleet.cancel(running.agent, running.attempt, 'cancelled')
  }

  redrive: Work['redrive'] = (selection, actor) => redriveSelected(this.#options, selection, actor)
  edit: Work['edit'] = (task, ask, actor) => editTask(this.#options, task, ask, actor)
  state: Work['state'] = (name) => readState(this.#options, name)
  putState: Work['putState'] = (ask, actor) => putState(this.#options, ask, actor)
  takeLock: Work['takeLock'] = (ask, by) => takeLock(this.#options, ask, by)
  renewLock: Work['renewLock'] = (ask, holder) => renewLock(this.#options, ask, holder)
  freeLock: Work['freeLock'] = (ask, holder) => freeLock(this.#options, ask, holder)

  locks = (ask: PageAsk): Promise<Page<LockStatus>> => listLocks(this.#options, ask)

  summary = (): Promise<WorkSummary> => summaryOf(this.#options.store, this.#holding.comesBack())
}

/** Opens the room; nothing is given out before `start`. */
export const openWork = (options: WorkOptions): Work => new WorkRoom(options)
