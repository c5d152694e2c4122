/**
 * The pace that is found where a provider refuses and says nothing: a refusal takes a third of it away, a quiet while
 * gives a twentieth back, until it is twice what it was and needs no more watching. Saved: a new gate goes on at it.
 */
import { passedMs, type Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'

/** Our own pace, where nothing was told. */
export interface Pace {
  readonly perSecond: number
  /** The pace at which the provider refused first: beyond twice that no watching is needed. */
  readonly refusedAt: number
  readonly changedMs: number
}
const lessFactor = 0.67
const moreFactor = 0.05
const calmMs = 10_000
const slowest = 0.05

/** After a refusal without a word. `perSecond` = what was really sent of late; refusals of one moment count once. */
export const slower = (before: Pace | null, perSecond: number, nowMs: number): Pace => {
  if (before !== null && nowMs - before.changedMs < 1_000) return before
  const from = before === null ? perSecond : Math.min(paceNow(before, nowMs) ?? perSecond, Math.max(perSecond, slowest))
  return {
    perSecond: Math.max(slowest, from * lessFactor),
    refusedAt: before === null ? Math.max(perSecond, slowest) : before.refusedAt,
    changedMs: nowMs,
  }
}

/** Calls a second now; null = it is as fast as ever again. */
export const paceNow = (pace: Pace, nowMs: number): number | null => {
  const calm = Math.max(0, nowMs - pace.changedMs) / calmMs
  const perSecond = pace.perSecond + calm * moreFactor * pace.refusedAt
  return perSecond >= 2 * pace.refusedAt ? null : perSecond
}

const rateOverMs = 10_000

/** How many calls were sent in each of the last seconds. */
export class Recent {
  readonly #seconds: { readonly sinceMs: number; calls: number }[] = []

  add(nowMs: number): void {
    const last = this.#seconds.at(-1)
    if (last !== undefined && nowMs < last.sinceMs + 1_000) last.calls += 1
    else if (this.#seconds.push({ sinceMs: nowMs, calls: 1 }) > rateOverMs / 1_000) this.#seconds.shift()
  }

  /** Calls a second of late. */
  perSecond(nowMs: number): number {
    const recent = this.#seconds.filter(({ sinceMs }) => sinceMs > nowMs - rateOverMs)
    const calls = recent.reduce((sum, one) => sum + one.calls, 0)
    return (calls * 1_000) / Math.max(1_000, nowMs - (recent[0]?.sinceMs ?? nowMs))
  }
}

const perThousand = 1_000
const prefix = 'pace\n'

export const isPaceRow = ({ name }: LimitRow): boolean => name.startsWith(prefix)

/** Whole numbers only are kept as `strikes`: calls in a thousand seconds; 0 = it is over. */
export const paceRow = (scope: string, pace: Pace | null, stamp: Stamp): LimitRow => ({
  name: prefix + scope,
  aheadMs: pace?.refusedAt ?? 0,
  pauseMs: pace === null ? 0 : Math.max(0, stamp.monoMs - pace.changedMs),
  strikes: Math.ceil((pace?.perSecond ?? 0) * perThousand),
  ...stamp,
})

/** Undefined when it is over. */
export const paceOf = (row: LimitRow, now: Stamp): { readonly scope: string; readonly pace: Pace } | undefined => {
  const changedMs = now.monoMs - passedMs(now, row) - row.pauseMs
  const pace = { perSecond: row.strikes / perThousand, refusedAt: row.aheadMs, changedMs }
  if (row.strikes <= 0 || paceNow(pace, now.monoMs) === null) return undefined
  return { scope: row.name.slice(prefix.length), pace }
}
