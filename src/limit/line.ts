/**
 * One line of calls that wait for one upstream and credential: granted payments first come first served, agents' own
 * calls by fair turns (turns.ts), and the two take turns, so that neither starves the other. A waiter that only its own
 * agent's limit holds up lets the ones behind it pass. One timer is set to the exact next moment, and releases all it
 * admits.
 */
import type { Cancel, Clock } from '../std/std.ts'
import type { Buckets } from './buckets.ts'
import type { Gauge } from './gauge.ts'
import type { Scope } from './names.ts'
import { FairQueue } from './turns.ts'

export type Admission =
  | { readonly admitted: true; readonly waitedMs: number }
  | {
      readonly admitted: false
      readonly why: 'full' | 'over' | 'dropped'
      readonly retryAfterMs: number
      readonly waitedMs: number
    }

export interface Wanted {
  readonly scope: Scope
  readonly limits: readonly Gauge[]
  readonly granted: boolean
  /** Longest wait. */
  readonly waitMs: number
  readonly decided: (admission: Admission) => void
}
export interface Waiter extends Wanted {
  readonly sinceMs: number
  readonly untilMs: number
  left: boolean
  /** Its turn among agents' own calls. */
  turn: number
}

/** Sooner makes no sense for the machine's timers. */
const shortestTimerMs = 1
/** Told to who must come back when a pending call has to be sent first. */
const unknownWaitMs = 1_000

export class Line {
  readonly scope: Scope
  readonly #clock: Clock
  readonly #buckets: Buckets
  /** Called with everybody who leaves, for whatever reason. */
  readonly #onLeave: (waiter: Waiter) => void
  #granted: Waiter[] = []
  readonly #own = new FairQueue<Waiter>()
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

  push(waiter: Waiter): void {
    if (waiter.granted) this.#granted.push(waiter)
    else this.#own.push(waiter)
    this.pump()
  }

  /** Releases everybody who may go now, and sets the timer for the next. */
  pump(): void {
    if (this.#releasing || this.#granted.length + this.#own.waiters.length === 0) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#releasing = true
    const nowMs = this.#clock.monoMs()
    const nextMs = this.#release(nowMs)
    this.#releasing = false
    // At Infinity a pending call must be sent first; somebody pumps again then.
    if (this.#granted.length + this.#own.waiters.length === 0 || nextMs === Infinity) return
    this.#cancel = this.#clock.timer(Math.max(shortestTimerMs, nextMs - nowMs), () => this.pump())
  }

  refuse(waiter: Waiter, why: 'over' | 'dropped', retryAfterMs: number): void {
    const waitedMs = this.#clock.monoMs() - waiter.sinceMs
    this.#leave(waiter, { admitted: false, why, retryAfterMs: Math.max(1, retryAfterMs), waitedMs })
  }

  dropAll(): void {
    for (const waiter of [...this.#granted, ...this.#own.waiters]) this.refuse(waiter, 'dropped', 1)
  }

  /** Refuses who has waited as long as it would, and forgets who left. */
  sweep(): void {
    const nowMs = this.#clock.monoMs()
    for (const waiter of [...this.#granted, ...this.#own.waiters]) {
      if (waiter.untilMs > nowMs || waiter.left) continue
      const limitMs = this.#buckets.readyAt(waiter.limits, nowMs).atMs
      const readyMs = Math.max(this.#buckets.pausedUntil(this.scope), limitMs)
      this.refuse(waiter, 'over', Number.isFinite(readyMs) ? readyMs - nowMs : unknownWaitMs)
    }
    this.#granted = this.#granted.filter((waiter) => !waiter.left)
    this.#own.forget()
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
      const own = this.#own.waiters
      const [first, second] = this.#grantedNext ? [this.#granted, own] : [own, this.#granted]
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

  /** The first of a queue that may go now; lowers `next` to when another one may. */
  #pick(queue: readonly Waiter[], nowMs: number, next: { ms: number }): Waiter | undefined {
    for (const waiter of queue) {
      if (waiter.left) continue
      const ready = this.#buckets.readyAt(waiter.limits, nowMs)
      if (ready.atMs <= nowMs) return waiter
      next.ms = Math.min(next.ms, ready.atMs)
      if (ready.shared) return undefined
    }
    return undefined
  }
}
