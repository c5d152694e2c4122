/**
 * One line of calls that wait for one upstream and credential: granted payments first come first served, agents' own
 * calls by priority and fair turns (levels.ts), and the two take turns, so that neither starves the other. A waiter
 * that only its own agent's limit holds up lets the ones behind it pass. One timer is set to the exact next moment, and
 * releases all it admits.
 */
import type { Cancel, Clock } from '../std/std.ts'
import type { Buckets } from './buckets.ts'
import { barredUntil, expectedOf, Promised, vacantFor, type Expected } from './expect.ts'
import type { Gauge } from './gauge.ts'
import type { Scope } from './names.ts'
import { Levels } from './levels.ts'

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
  /** What it weighs by the limit by which it weighs most, at least 1. */
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

/** Whether a limit that it shares with nobody would keep it back by itself. */
const isOwnLimit = ({ limits, before, untilMs }: Waiter, nowMs: number): boolean =>
  limits.some(
    ({ shared, readyAt, paceMs = 0 }) => !shared && readyAt(nowMs) + before * paceMs > Math.max(nowMs, untilMs),
  )

/** What an estimate of its wait goes by. */
type Asking = Pick<Waiter, 'scope' | 'limits' | 'before' | 'priority'>

/** Sooner makes no sense for the machine's timers. */
const shortestTimerMs = 1

export class Line {
  readonly scope: Scope
  readonly #clock: Clock
  readonly #buckets: Buckets
  /** Called with everybody who leaves, for whatever reason. */
  readonly #onLeave: (waiter: Waiter) => void
  #granted: Waiter[] = []
  readonly #own = new Levels<Waiter>()
  readonly #promised = new Promised()
  #grantedNext = true
  #cancel: Cancel | undefined
  #releasing = false

  constructor(scope: Scope, parts: { clock: Clock; buckets: Buckets; onLeave: (waiter: Waiter) => void }) {
    this.scope = scope
    this.#clock = parts.clock
    this.#buckets = parts.buckets
    this.#onLeave = parts.onLeave
  }

  get waiting(): number {
    return [...this.#granted, ...this.#own.waiters].filter((waiter) => !waiter.left).length
  }

  /** Lets it through if nobody waits here and nothing is in its way, as with most calls. */
  pass({ scope, limits, granted, priority, weight }: Wanted, nowMs: number): boolean {
    if (this.#releasing || this.#granted.length + this.#own.size > 0) return false
    if (this.#buckets.pausedUntil(this.scope) > nowMs) return false
    if (!granted && barredUntil(limits, nowMs) !== undefined) return false
    if (this.#buckets.readyAt(limits, nowMs).atMs > nowMs) return false
    this.#grantedNext = !granted
    this.#buckets.admit(limits)
    if (!granted) this.#own.pass(scope.agent ?? '', priority, weight)
    return true
  }

  /** Takes it into the line, unless it can be told at once to come back later. */
  push(waiter: Waiter): void {
    if (this.#turnedAway(waiter)) return
    if (waiter.granted) this.#granted.push(waiter)
    else this.#own.push(waiter)
    this.pump()
  }

  /** Releases everybody who may go now, and sets the timer for the next. */
  pump(): void {
    if (this.#releasing || this.#granted.length + this.#own.size === 0) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#releasing = true
    const nowMs = this.#clock.monoMs()
    const nextMs = this.#release(nowMs)
    this.#releasing = false
    // At Infinity a pending call must be sent first; somebody pumps again then.
    if (this.#granted.length + this.#own.size === 0 || nextMs === Infinity) return
    this.#cancel = this.#clock.timer(Math.max(shortestTimerMs, nextMs - nowMs), () => this.pump())
  }

  refuse(waiter: Waiter, why: 'over' | 'barred' | 'dropped', retryAfterMs: number): void {
    const nowMs = this.#clock.monoMs()
    const waitedMs = nowMs - waiter.sinceMs
    const own = why === 'over' && isOwnLimit(waiter, nowMs)
    this.#leave(waiter, { admitted: false, why, own, retryAfterMs: Math.max(1, retryAfterMs), waitedMs })
  }

  /** How many more calls would go within this time if they came now, of agents that have nothing in line. */
  vacant(limits: readonly Gauge[], withinMs: number): number {
    const nowMs = this.#clock.monoMs()
    const all = this.#own.size + Math.min(this.#granted.length, this.#own.size + 1)
    return vacantFor(limits, { nowMs, pausedMs: this.#buckets.pausedUntil(this.scope), withinMs }, all)
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
    const atMs = waiter.granted ? this.#buckets.pausedUntil(this.scope) : this.#expected(waiter, nowMs).atMs
    if (atMs > waiter.untilMs) this.#tooLate(waiter, nowMs)
    return waiter.left
  }

  #barred(waiter: Waiter, nowMs: number): boolean {
    const barredMs = waiter.granted ? undefined : barredUntil(waiter.limits, nowMs)
    if (barredMs !== undefined) this.refuse(waiter, 'barred', barredMs - nowMs)
    return barredMs !== undefined
  }

  #tooLate(waiter: Waiter, nowMs: number): void {
    const expected = this.#expected(waiter, nowMs)
    // Payments are not put behind agents' calls: they come back as soon as there is room.
    const backMs = waiter.granted ? expected.leastMs - nowMs : this.#promised.next(expected, nowMs)
    this.refuse(waiter, 'over', backMs)
  }

  /** When an agent's call would go that came now. */
  comesAt(call: Asking): number {
    const { atMs, leastMs } = this.#expected(call, this.#clock.monoMs())
    return Math.max(atMs, leastMs)
  }

  #expected({ scope, limits, before, priority }: Asking, nowMs: number): Expected {
    const own = this.#own.ahead(scope.agent ?? '', priority)
    // Payments take every second turn.
    const all = own + Math.min(this.#granted.length, own + 1)
    return expectedOf(limits, { nowMs, pausedMs: this.#buckets.pausedUntil(this.scope) }, { all, own: before })
  }

  stop(): void {
    this.#cancel?.()
  }

  #leave(waiter: Waiter, admission: Admission): void {
    if (waiter.left) return
    waiter.left = true
    this.#onLeave(waiter)
    waiter.decided(admission)
  }

  /** Gives when to look again. */
  #release(nowMs: number): number {
    for (;;) {
      const pausedMs = this.#buckets.pausedUntil(this.scope)
      if (pausedMs > nowMs) return pausedMs
      const next = { ms: Infinity }
      const own = this.#own.inOrder()
      const [first, second] = this.#grantedNext ? [[this.#granted], own] : [own, [this.#granted]]
      const waiter = this.#pick(first, nowMs, next) ?? this.#pick(second, nowMs, next)
      if (waiter === undefined) return next.ms
      this.#grantedNext = !waiter.granted
      this.#buckets.admit(waiter.limits)
      if (!waiter.granted) this.#own.served(waiter)
      this.#leave(waiter, { admitted: true, waitedMs: nowMs - waiter.sinceMs })
      // Nearly always the head leaves; who left out of order is forgotten by the next sweep.
      while (this.#granted[0]?.left) this.#granted.shift()
      this.#own.shift()
    }
  }

  /** The first of these queues that may go now; lowers `next` to when another one may. */
  #pick(queues: readonly (readonly Waiter[])[], nowMs: number, next: { ms: number }): Waiter | undefined {
    for (const queue of queues) {
      for (const waiter of queue) {
        if (waiter.left) continue
        const ready = this.#buckets.readyAt(waiter.limits, nowMs)
        if (ready.atMs <= nowMs) return waiter
        next.ms = Math.min(next.ms, ready.atMs)
        if (ready.shared) return undefined
      }
    }
    return undefined
  }
}
