/**
 * The share of a task type's starts that may be retries. What goes beyond it is not dropped: it is put off to the next
 * span of time that still has room, so that a provider that fails for everybody is not hit by everybody's retries.
 *
 * Retries are counted in spans of ten seconds. A span has room for `share` of what the first starts of the last minute
 * make in ten seconds, but for two at least, so that a quiet type can retry. Beyond an hour there is no more room to
 * look for: the last span takes what is left.
 */
import type { TaskType } from '../model/model.ts'
import type { Random } from '../std/std.ts'
import type { Claimed, Finish, NewEvent } from '../store/store.ts'
import { notAtOnce } from './endings.ts'

const spanMs = 10_000
/** Spans whose first starts are counted. */
const pastSpans = 6
/** Spans ahead in which room is looked for: an hour. */
const aheadSpans = 360
const leastRoom = 2

export interface Placed {
  /** Wall time of the retry. */
  readonly untilMs: number
  /** It is later than was wanted. */
  readonly putOff: boolean
}

export class RetryBudget {
  readonly share: number
  readonly #random: Random
  readonly #starts = new Map<number, number>()
  readonly #retries = new Map<number, number>()

  constructor(share: number, random: Random) {
    this.share = share
    this.#random = random
  }

  /** A first start of a task; retries are no base for retries. */
  started(nowMs: number): void {
    const span = Math.floor(nowMs / spanMs)
    this.#starts.set(span, (this.#starts.get(span) ?? 0) + 1)
    for (const old of this.#starts.keys()) if (old <= span - pastSpans) this.#starts.delete(old)
  }

  /** Retries that a span has room for, as seen now. */
  room(nowMs: number): number {
    const span = Math.floor(nowMs / spanMs)
    const recent = [...this.#starts].filter(([at]) => at > span - pastSpans && at <= span)
    const starts = recent.reduce((sum, [, count]) => sum + count, 0)
    return Math.max(leastRoom, Math.floor((starts / pastSpans) * this.share))
  }

  /** Takes a place for a retry at the wanted wall time, or in the first later span with room. */
  place(nowMs: number, wantedMs: number): Placed {
    const now = Math.floor(nowMs / spanMs)
    for (const old of this.#retries.keys()) if (old < now) this.#retries.delete(old)
    const room = this.room(nowMs)
    const wanted = Math.floor(wantedMs / spanMs)
    // A backoff that is longer than the horizon is its own delay.
    const last = Math.max(wanted, now + aheadSpans)
    let span = wanted
    while (span < last && (this.#retries.get(span) ?? 0) >= room) span += 1
    if (span <= now + aheadSpans) this.#retries.set(span, (this.#retries.get(span) ?? 0) + 1)
    if (span === wanted) return { untilMs: wantedMs, putOff: false }
    return { untilMs: Math.floor((span + this.#random.next()) * spanMs), putOff: true }
  }
}

export interface Ending {
  readonly claimed: Claimed
  readonly finish: Finish
}
export interface Budgets {
  started(claimed: Claimed, nowMs: number): void
  /**
   * The same ends, none that parks back at once, and their retries within the budgets of their types; events tell, once
   * a minute and type, of more.
   */
  place(
    ends: readonly Ending[],
    nowMs: number,
  ): { readonly ends: readonly Ending[]; readonly events: readonly NewEvent[] }
}

const tellEveryMs = 60_000

/** One budget for each task type that has a share in the configuration, as long as the share is the same. */
export const openBudgets = (types: Readonly<Record<string, TaskType>>, random: Random): Budgets => {
  const budgets = new Map<string, RetryBudget>()
  const toldMs = new Map<string, number>()
  /** The type last asked for: as the name of a property, a text fresh from the record costs half a µs. */
  let known = ''
  /** The configuration may have changed since the last look. */
  const budgetOf = (asked: string): RetryBudget | undefined => {
    if (asked !== known) known = asked
    const type = known
    const share = types[type]?.retry.budget
    const budget = budgets.get(type)
    if (budget?.share === share) return budget
    budgets.delete(type)
    if (share !== undefined) budgets.set(type, new RetryBudget(share, random))
    return budgets.get(type)
  }

  const tell = (type: string, nowMs: number): readonly NewEvent[] => {
    const last = toldMs.get(type)
    if (last !== undefined && nowMs - last < tellEveryMs) return []
    toldMs.set(type, nowMs)
    const message = `retries of ${type} are beyond their budget: they are put off`
    const facts = { type, share: types[type]?.retry.budget, room: budgetOf(type)!.room(nowMs) }
    return [{ kind: 'retries.put-off', level: 'warn', subject: type, message, facts }]
  }

  return {
    started: ({ type, number }, nowMs) => {
      if (number === 1) budgetOf(type)?.started(nowMs)
    },
    place: (ends, nowMs) => {
      const events: NewEvent[] = []
      const placed = ends.map((end) => {
        const { claimed } = end
        const finish = notAtOnce(end.finish, nowMs)
        const budget = budgetOf(claimed.type)
        if (budget === undefined || finish.event.event !== 'retry') return { claimed, finish }
        const { untilMs, putOff } = budget.place(nowMs, finish.event.untilMs)
        if (!putOff) return end
        events.push(...tell(claimed.type, nowMs))
        return { claimed, finish: { ...finish, event: { event: 'retry', untilMs } as const } }
      })
      return { ends: placed, events }
    },
  }
}
