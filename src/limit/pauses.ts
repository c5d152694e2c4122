/** Pauses by upstream and credential: begun by a provider's refusal, only ever made longer, saved with the buckets. */
import { remainingMs, type Clock, type Random } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { pauseAfter } from './pause.ts'

interface Answered {
  readonly status: number
  /** The wait that it asked for. */
  readonly retryAfterMs: number | undefined
  /** Monotonic ms at which the call was sent. */
  readonly sentMs: number
}
export interface Pauses {
  /** Monotonic ms until which a scope pauses; -Infinity when it never did. */
  until(name: string): number
  /** Learns from an answer. True when the scope pauses longer than before. */
  answered(name: string, answer: Answered): boolean
  /**
   * Learns that a call was refused by a limit that named no wait, and not by 429: a minute, and twice as long each time
   * in a row. True as above.
   */
  limited(name: string, sentMs: number): boolean
  /** Those that last, of names that begin so. */
  lasting(begins: string): readonly { readonly name: string; readonly untilMs: number }[]
  /** Rows that changed since the last asking. */
  changed(): readonly LimitRow[]
}

interface Pause {
  readonly untilMs: number
  /** Refusals in a row, those of one pause counted once. */
  readonly strikes: number
}

const prefix = 'pause\n'
/** "Wait for at least one minute", then exponentially longer (GitHub's pages, of its second limit). */
const unsaidMs = 60_000
const longestUnsaidMs = 3_600_000
const mostJitterMs = 5_000

export const openPauses = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
}): Pauses => {
  const { clock, random, saved } = options
  const pauses = new Map<string, Pause>()
  const dirty = new Set<string>()
  const start = clock.stamp()
  for (const row of saved) {
    if (!row.name.startsWith(prefix)) continue
    const untilMs = start.monoMs + remainingMs(start, row, row.pauseMs)
    pauses.set(row.name.slice(prefix.length), { untilMs, strikes: row.strikes })
  }
  const put = (name: string, pause: Pause): void => {
    pauses.set(name, pause)
    dirty.add(name)
  }
  const strikesAfter = (before: Pause | undefined, sentMs: number): number => {
    if (before === undefined) return 1
    // Calls that were under way when the pause began are refused too; together they are one strike.
    return sentMs > before.untilMs ? before.strikes + 1 : Math.max(1, before.strikes)
  }
  return {
    until: (name) => pauses.get(name)?.untilMs ?? -Infinity,
    answered: (name, { status, retryAfterMs, sentMs }) => {
      const before = pauses.get(name)
      const pauseMs = pauseAfter({ status, retryAfterMs, strikes: before?.strikes ?? 0 }, random)
      if (pauseMs === undefined) {
        if (before !== undefined && before.strikes > 0 && status < 400) put(name, { ...before, strikes: 0 })
        return false
      }
      const beforeMs = before?.untilMs ?? -Infinity
      const untilMs = clock.monoMs() + pauseMs
      put(name, { untilMs: Math.max(untilMs, beforeMs), strikes: strikesAfter(before, sentMs) })
      return untilMs > beforeMs
    },
    limited: (name, sentMs) => {
      const before = pauses.get(name)
      const beforeMs = before?.untilMs ?? -Infinity
      // Calls that were under way when it began are refused by the same limit.
      if (sentMs <= beforeMs) return false
      const strikes = strikesAfter(before, sentMs)
      const forMs = Math.min(longestUnsaidMs, unsaidMs * 2 ** Math.min(10, strikes - 1))
      put(name, { untilMs: clock.monoMs() + forMs + 1 + random.next() * mostJitterMs, strikes })
      return true
    },
    lasting: (begins) =>
      [...pauses].flatMap(([name, { untilMs }]) =>
        name.startsWith(begins) && untilMs > clock.monoMs() ? [{ name, untilMs }] : [],
      ),
    changed: () => {
      const stamp = clock.stamp()
      const rows = [...dirty].map((name): LimitRow => {
        const { untilMs, strikes } = pauses.get(name)!
        return { name: prefix + name, aheadMs: 0, pauseMs: Math.max(0, untilMs - stamp.monoMs), strikes, ...stamp }
      })
      dirty.clear()
      return rows
    },
  }
}
