/**
 * One line of calls that wait for one upstream and credential: granted payments first come first served, agents' own
 * calls by priority and fair turns (levels.ts), and the two take turns, so that neither starves the other. A waiter
 * that only its own agent's limit holds up lets the ones behind it pass. One timer is set to the exact next moment, and
 * releases all it admits.
 */
import type { Cancel, Clock } from '../std/std.ts'
import type { Buckets } from './buckets.ts'
import type { Crowd } from './crowd.ts'
import { barredUntil, expectedOf, Promised, vacantFor, type Before, type Expected } from './expect.ts'
import type { Gauge } from './gauge.ts'
import { Levels } from './levels.ts'
import { scopeName, type Scope } from './names.ts'

export type Admission =
  | { readonly admitted: true; readonly waitedMs: number }
  | {
      readonly admitted: false
      readonly why: 'full' | 'over' | 'barred' | 'dropped'
      /** A limit of its own agent alone keeps it back: for others there may be room. */
      readonly own?: boolean
      readonly retryAfterMs: number
      readonly waitedMs: number
    }

export interface Wanted {
  readonly scope: Scope
  readonly limits: readonly Gauge[]
  readonly granted: boolean
  /** Of the task for which an agent asks, 0 to 9; payments have none among each other. */
  readonly priority: number
  /** What it weighs by the limit by which it weighs most, at least 1, for an agent of weight 1. */
  readonly weight: number
  /** Longest wait. */
  readonly waitMs: number
  readonly decided: (admission: Admission) => void
}
export interface Waiter extends Wanted {
  readonly sinceMs: number
  readonly untilMs: number
  /** Calls of its agent to this upstream that wait already. */
  readonly before: number
  left: boolean
  /** Its turn among agents' own calls. */
  turn: number
}

/** What an estimate of its wait goes by. */
type Asking = Pick<Waiter, 'scope' | 'limits' | 'before' | 'priority'>

/** What a line shares with the others. */
interface LineParts {
  readonly clock: Clock
  readonly buckets: Buckets
  readonly crowd: Crowd
  /** Called with everybody who leaves, for whatever reason. */
  readonly onLeave: (waiter: Waiter) => void
  /** It may release somebody: now, or when it is its turn among the lines. */
  readonly due: (line: Line) => void
}

/** What is found on the way along a line. */
interface Next {
  /** When to look again. */
  ms: number
  /** Limits that let nobody through now, and bind some of the line. */
  readonly blocked: Set<string>
}

/** Priorities of tasks end here. */
const mostPriority = 9
/** Sooner makes no sense for the machine's timers. */
const shortestTimerMs = 1

export class Line {
  readonly scope: Scope
  readonly #parts: LineParts
  readonly #clock: Clock
  readonly #buckets: Buckets
  readonly #crowd: Crowd
  readonly #name: string
  /** How many were let through. */
  served = 0
  #granted: Waiter[] = []
  readonly #own = new Levels<Waiter>()
  readonly #promised = new Promised()
  #grantedNext = true
  #cancel: Cancel | undefined
  #releasing = false

  constructor(scope: Scope, parts: LineParts) {
    this.scope = scope
    this.#name = scopeName(scope)
    this.#parts = parts
    this.#clock = parts.clock
    this.#buckets = parts.buckets
    this.#crowd = parts.crowd
  }

  get isEmpty(): boolean {
    return this.#granted.length + this.#own.size === 0
  }

  /** Of who is to go first here; a payment goes before nobody of another line whose task has the highest. */
  get priority(): number {
    return this.#granted.some(({ left }) => !left) ? mostPriority : this.#own.highest
  }

  get waiting(): number {
    return [...this.#granted, ...this.#own.waiters].filter((waiter) => !waiter.left).length
  }

  /** Lets it through if nobody waits here and nothing is in its way, as with most calls. */
  pass({ scope, limits, granted, priority, weight }: Wanted, nowMs: number): boolean {
    if (this.#releasing || !this.isEmpty) return false
    if (this.#buckets.pausedUntil(this.scope) > nowMs) return false
    if (!granted && barredUntil(limits, nowMs) !== undefined) return false
    if (this.#buckets.readyAt(limits, nowMs).atMs > nowMs) return false
    this.#grantedNext = !granted
    this.#buckets.admit(limits)
    if (!granted) this.#own.pass(scope.agent ?? '', priority, weight)
    this.served += 1
    return true
  }

  /** Takes it into the line, unless it can be told at once to come back later. */
  push(waiter: Waiter): void {
    if (this.#turnedAway(waiter)) return
    if (waiter.granted) this.#granted.push(waiter)
    else this.#own.push(waiter)
    this.#parts.due(this)
  }

  /** Releases everybody who may go now, and sets the timer for the next. */
  pump(): void {
    if (this.#releasing || this.isEmpty) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#releasing = true
    const nowMs = this.#clock.monoMs()
    const nextMs = this.#release(nowMs)
    this.#releasing = false
    // At Infinity a pending call must be sent first; somebody pumps again then.
    if (this.isEmpty || nextMs === Infinity) return
    this.#cancel = this.#clock.timer(Math.max(shortestTimerMs, nextMs - nowMs), () => this.#parts.due(this))
  }

  refuse(waiter: Waiter, why: 'over' | 'barred' | 'dropped', retryAfterMs: number): void {
    const nowMs = this.#clock.monoMs()
    const waitedMs = nowMs - waiter.sinceMs
    const own = why === 'over' && this.#isOwnLimit(waiter, nowMs)
    this.#leave(waiter, { admitted: false, why, own, retryAfterMs: Math.max(1, retryAfterMs), waitedMs })
  }

  /** How many more calls would go within this time if they came now, of agents that have nothing in line. */
  vacant(limits: readonly Gauge[], withinMs: number): number {
    const nowMs = this.#clock.monoMs()
    const all = this.#own.size + Math.min(this.#granted.length, this.#own.size + 1)
    const of = (crowd: string): number => this.#crowd.ahead(crowd, { priority: 0, all, isCounted: false })
    const at = { nowMs, pausedMs: this.#buckets.pausedUntil(this.scope), withinMs }
    return vacantFor(limits, at, { all, own: 0, of })
  }

  dropAll(): void {
    for (const waiter of [...this.#granted, ...this.#own.waiters]) this.refuse(waiter, 'dropped', 1)
  }

  /** Refuses who has waited as long as it would, or waits for nothing now, and forgets who left. */
  sweep(): void {
    const nowMs = this.#clock.monoMs()
    const pausedMs = this.#buckets.pausedUntil(this.scope)
    for (const waiter of [...this.#granted, ...this.#own.waiters]) {
      if (waiter.left || this.#barred(waiter, nowMs)) continue
      if (waiter.untilMs <= nowMs || pausedMs > waiter.untilMs) this.#tooLate(waiter, nowMs)
    }
    this.#granted = this.#granted.filter((waiter) => !waiter.left)
    this.#own.forget()
  }

  /** An agent's call for which it is of no use to wait, or which would wait longer than it would. */
  #turnedAway(waiter: Waiter): boolean {
    const nowMs = this.#clock.monoMs()
    if (this.#barred(waiter, nowMs)) return true
    const atMs = waiter.granted ? this.#buckets.pausedUntil(this.scope) : this.#expected(waiter, nowMs, true).atMs
    if (atMs > waiter.untilMs) this.#tooLate(waiter, nowMs)
    return waiter.left
  }

  #barred(waiter: Waiter, nowMs: number): boolean {
    const barredMs = waiter.granted ? undefined : barredUntil(waiter.limits, nowMs)
    if (barredMs !== undefined) this.refuse(waiter, 'barred', barredMs - nowMs)
    return barredMs !== undefined
  }

  #tooLate(waiter: Waiter, nowMs: number): void {
    const expected = this.#expected(waiter, nowMs, true)
    // Payments are not put behind agents' calls: they come back as soon as there is room.
    const backMs = waiter.granted ? expected.leastMs - nowMs : this.#promisedTo(expected).next(expected, nowMs)
    this.refuse(waiter, 'over', backMs)
  }

  /** Who is sent away because of a limit that binds some of this line, or more than it, comes back among those. */
  #promisedTo({ crowd }: Expected): Promised {
    return crowd === undefined ? this.#promised : this.#crowd.promised(crowd, this.#clock.monoMs())
  }

  /** When an agent's call would go that came now. */
  comesAt(call: Asking): number {
    const { atMs, leastMs } = this.#expected(call, this.#clock.monoMs(), false)
    return Math.max(atMs, leastMs)
  }

  #expected(call: Asking, nowMs: number, isCounted: boolean): Expected {
    const at = { nowMs, pausedMs: this.#buckets.pausedUntil(this.scope) }
    return expectedOf(call.limits, at, this.#before(call, isCounted))
  }

  #before({ scope, before, priority }: Asking, isCounted: boolean): Before {
    const own = this.#own.ahead(scope.agent ?? '', priority)
    // Payments take every second turn.
    const all = own + Math.min(this.#granted.length, own + 1)
    return { all, own: before, of: (crowd) => this.#crowd.ahead(crowd, { priority, all, isCounted }) }
  }

  /** Whether a limit that not all of this line share would keep it back by itself. */
  #isOwnLimit(waiter: Waiter, nowMs: number): boolean {
    const { own, of } = this.#before(waiter, true)
    return waiter.limits.some(({ shared, crowd, readyAt, paceMs = 0 }) => {
      const ahead = crowd === undefined ? own : of(crowd)
      return !shared && readyAt(nowMs) + ahead * paceMs > Math.max(nowMs, waiter.untilMs)
    })
  }

  stop(): void {
    this.#cancel?.()
  }

  #leave(waiter: Waiter, admission: Admission): void {
    if (waiter.left) return
    waiter.left = true
    this.#parts.onLeave(waiter)
    waiter.decided(admission)
  }

  /** Gives when to look again. */
  #release(nowMs: number): number {
    const next: Next = { ms: Infinity, blocked: new Set() }
    for (;;) {
      const pausedMs = this.#buckets.pausedUntil(this.scope)
      if (pausedMs > nowMs) return pausedMs
      const own = this.#own.inOrder()
      const [first, second] = this.#grantedNext ? [[this.#granted], own] : [own, [this.#granted]]
      const waiter = this.#pick(first, nowMs, next) ?? this.#pick(second, nowMs, next)
      if (waiter === undefined) return next.ms
      this.#grantedNext = !waiter.granted
      this.#buckets.admit(waiter.limits)
      if (!waiter.granted) this.#own.served(waiter)
      this.served += 1
      this.#leave(waiter, { admitted: true, waitedMs: nowMs - waiter.sinceMs })
      // Nearly always the head leaves; who left out of order is forgotten by the next sweep.
      while (this.#granted[0]?.left) this.#granted.shift()
      this.#own.shift()
    }
  }

  /** The first of these queues that may go now; lowers `next` to when another one may. */
  #pick(queues: readonly (readonly Waiter[])[], nowMs: number, next: Next): Waiter | undefined {
    for (const queue of queues) {
      for (const waiter of queue) {
        if (waiter.left || this.#isBlocked(waiter, next)) continue
        const { atMs, shared, crowd, othersMs } = this.#buckets.readyAt(waiter.limits, nowMs)
        if (atMs <= nowMs) return waiter
        next.ms = Math.min(next.ms, othersMs)
        if (shared) return undefined
        if (crowd === undefined) continue
        next.blocked.add(crowd)
        if (this.#crowd.isWhole(crowd, this.#name)) return undefined
      }
    }
    return undefined
  }

  /** Whoever is behind one that waits for the same limit waits as well, were it ever so light. */
  #isBlocked({ limits }: Waiter, { blocked }: Next): boolean {
    return blocked.size > 0 && limits.some(({ crowd }) => crowd !== undefined && blocked.has(crowd))
  }
}
