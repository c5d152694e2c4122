/**
 * Who tries again: the gate, and nobody else. A call is sent again when it is certain that nothing was done by it, as
 * its class says: what changes nothing, what was refused by a limit, what never left. A call that may have changed
 * something and got no clear answer is never sent again.
 *
 * Tries are bounded three times: by call, by the time since its first try, and by a budget of the upstream, so that
 * retries add a tenth to its load when everything fails and not a double.
 */
import type { AnswerClass, RetryRule } from '../model/model.ts'
import type { Clock, Random } from '../std/std.ts'
import type { UpstreamRule } from './ports.ts'

export interface Tried {
  readonly outcomeClass: AnswerClass | null
  /** Tries so far, this one included. */
  readonly tries: number
  /** The least wait that its answer asked for; null = none. */
  readonly askedMs: number | null
  /** Since its first try was let through. */
  readonly elapsedMs: number
  /** No try begins later than so long after the first. */
  readonly withinMs: number
  /** An agent waits no longer than this; what would take longer parks. */
  readonly patienceMs: number
}
export type Next =
  | { readonly next: 'give' }
  | { readonly next: 'again'; readonly afterMs: number }
  /** Not now: its task waits for so long. */
  | { readonly next: 'park'; readonly afterMs: number }

const baseMs = 200
const capMs = 5_000
/** A limit that says nothing more is left alone for this long at least. */
const leastParkMs = 1_000

/** What becomes of a call after a try whose answer nobody has seen yet. `mayTake` takes a retry from the budget. */
export const nextTry = (rule: RetryRule | null, tried: Tried, mayTake: () => boolean, random: Random): Next => {
  const { outcomeClass, tries, askedMs, elapsedMs, withinMs, patienceMs } = tried
  if (rule === null || (outcomeClass !== 'transient' && outcomeClass !== 'limited')) return { next: 'give' }
  const backoffMs = (0.5 + random.next() / 2) * Math.min(capMs, baseMs * 2 ** (tries - 1))
  const afterMs = (askedMs ?? 0) + backoffMs
  const park: Next = { next: 'park', afterMs: Math.max(leastParkMs, afterMs) }
  if (askedMs !== null && afterMs > patienceMs) return park
  const fits = tries <= rule.max && afterMs <= patienceMs && elapsedMs + afterMs <= withinMs
  if (fits && mayTake()) return { next: 'again', afterMs }
  return outcomeClass === 'limited' ? park : { next: 'give' }
}

/** Retries that an upstream may have at once after a quiet time, and at most. */
const reserve = 10
const mostTokens = 100
/** One more in this time, so that a quiet upstream is tried again too. */
const trickleMs = 10_000

/** Each call earns a share of a retry. */
export class RetryBudget {
  #tokens = reserve
  #seenMs: number

  constructor(nowMs: number) {
    this.#seenMs = nowMs
  }

  /** A first try. */
  earn(share: number): void {
    this.#tokens = Math.min(mostTokens, this.#tokens + share)
  }

  take(nowMs: number): boolean {
    if (this.#tokens < reserve) this.#tokens = Math.min(reserve, this.#tokens + (nowMs - this.#seenMs) / trickleMs)
    this.#seenMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

export interface Retries {
  /** Counts a first try. */
  first(rule: UpstreamRule): void
  next(rule: UpstreamRule, tried: Omit<Tried, 'patienceMs' | 'withinMs'>): Next
}

/** By upstream; not durable: a new gate begins with a reserve. */
export const openRetries = ({ clock, random }: { readonly clock: Clock; readonly random: Random }): Retries => {
  const budgets = new Map<string, RetryBudget>()
  const budgetOf = (name: string): RetryBudget => {
    const budget = budgets.get(name) ?? new RetryBudget(clock.monoMs())
    budgets.set(name, budget)
    return budget
  }
  return {
    first: ({ name, retries }) => {
      if (retries !== null) budgetOf(name).earn(retries.share)
    },
    next: ({ name, retries, parkAfterMs: patienceMs, timeoutMs: withinMs }, tried) => {
      const take = (): boolean => budgetOf(name).take(clock.monoMs())
      return nextTry(retries, { ...tried, patienceMs, withinMs }, take, random)
    },
  }
}
