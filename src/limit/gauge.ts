/**
 * What stands between a call and its upstream: a limit, what the provider said is left, a breaker. Each call gets its
 * own gauges, asks all of them when it may go, and tells them what became of it.
 */

/** Whom it binds. */
export interface Binding {
  /** All who stand in a line with it: nobody passes one who waits for it. */
  readonly shared: boolean
  /**
   * Under this name those are counted who wait for it, in whichever line: it binds several agents, and only some of a
   * line or more than one of them.
   */
  readonly crowd?: string
}
export interface Gauge extends Binding {
  /** Monotonic ms: at most `nowMs` = at once; Infinity = when a call before it was sent, given up or answered. */
  readyAt(nowMs: number): number
  /** What is taken of it is taken until the end of what a call has opened, not of its answer. */
  readonly holds?: true
  /** Ms that a call of this weight takes up while the limit is used to the full; absent = not known. */
  readonly paceMs?: number
  /**
   * Monotonic ms to come back at: now it is of no use to wait. Only payments, which have their own patience, wait all
   * the same. Absent or undefined = whoever comes may wait.
   */
  barredMs?(nowMs: number): number | undefined
  /** Then it is either sent or given up, once. */
  admit(nowMs: number): void
  sent(nowMs: number): void
  giveUp(): void
  /** The head of its answer is here. */
  heard?(nowMs: number): void
  /** Once, after it was sent: whether the upstream failed; null = that says nothing about it. */
  ended?(failed: boolean | null, nowMs: number): void
}
