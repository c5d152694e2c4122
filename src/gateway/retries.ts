/**
 * Who tries again: the gate, and nobody else. A call is sent again when it is certain that nothing was done by it, as
 * its class says: what changes nothing, what was refused by a limit, what never left. A call that may have changed
 * something and got no clear answer is never sent again.
 *
 * Tries are bounded three times: by call, by the time since its first try, and by a budget of the upstream, so that
 * retries add a tenth to its load when everything fails and not a double. The budget is saved with the limits: a gate
 * that is killed again and again while all fails brings no new reserve each time.
 */
import type { AnswerClass, RetryRule } from '../model/model.ts'
import { passedMs, type Clock, type Random, type Stamp } from '../std/std.ts'
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
  #tokens: number
  #seenMs: number

  constructor(nowMs: number, tokens = reserve) {
    this.#seenMs = nowMs
    this.#tokens = Math.min(mostTokens, Math.max(0, tokens))
  }

  get tokens(): number {
    return this.#tokens
  }
  /** Since when it trickles. */
  get seenMs(): number {
    return this.#seenMs
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
  /** Rows that changed since the last asking. */
  changed(): readonly SavedBudget[]
}

/** A row of the gate's limits. */
export interface SavedBudget extends Stamp {
  readonly name: string
  /** Since it was last asked for a retry. */
  readonly aheadMs: number
  readonly pauseMs: number
  /** Thousandths of a retry. */
  readonly strikes: number
}
const prefix = 'retries\n'
const perToken = 1_000

/** By upstream. A gate that was never there begins with a reserve. */
export const openRetries = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved?: readonly SavedBudget[]
}): Retries => {
  const { clock, random, saved = [] } = options
  const start = clock.stamp()
  const budgets = new Map(
    saved.flatMap((row) => {
      if (!row.name.startsWith(prefix)) return []
      const seenMs = start.monoMs - passedMs(start, row) - row.aheadMs
      return [[row.name.slice(prefix.length), new RetryBudget(seenMs, row.strikes / perToken)] as const]
    }),
  )
  const dirty = new Set<string>()
  const budgetOf = (name: string): RetryBudget => {
    const budget = budgets.get(name) ?? new RetryBudget(clock.monoMs())
    budgets.set(name, budget)
    dirty.add(name)
    return budget
  }
  return {
    changed: () => {
      const stamp = clock.stamp()
      const rows = [...dirty].map((name): SavedBudget => {
        const { tokens, seenMs } = budgets.get(name)!
        const aheadMs = Math.max(0, stamp.monoMs - seenMs)
        return { name: prefix + name, aheadMs, pauseMs: 0, strikes: Math.floor(tokens * perToken), ...stamp }
      })
      dirty.clear()
      return rows
    },
    first: ({ name, retries }) => {
      if (retries !== null) budgetOf(name).earn(retries.share)
    },
    next: ({ name, retries, parkAfterMs: patienceMs, timeoutMs: withinMs }, tried) => {
      const take = (): boolean => budgetOf(name).take(clock.monoMs())
      return nextTry(retries, { ...tried, patienceMs, withinMs }, take, random)
    },
  }
}
