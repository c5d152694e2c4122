/**
 * How long a call would wait: from what its limits say, and who stands before it. An estimate, so that whoever would
 * wait long is told at once and does something else meanwhile; nothing is sent because of it.
 */
import type { Gauge } from './gauge.ts'

/** Who stands before a call in its line. */
export interface Before {
  readonly all: number
  /** Those of its own agent among them. */
  readonly own: number
  /** Those who wait for a limit that binds some of this line, or more than it. */
  of(crowd: string): number
}
/** Told to who must come back when nobody knows when a place will be free. */
const unknownWaitMs = 1_000

export interface Expected {
  /** Monotonic ms. */
  readonly atMs: number
  /** Not before this, whoever stands in line. */
  readonly leastMs: number
  /** By how much one more before it would put it off; 0 = not known, or it only waits for itself. */
  readonly paceMs: number
  /** Of the limit that puts it off most. */
  readonly crowd?: string | undefined
}

/** When a call would go that comes now. `pausedMs` = until when everybody waits. */
export const expectedOf = (
  limits: readonly Gauge[],
  { nowMs, pausedMs }: { readonly nowMs: number; readonly pausedMs: number },
  before: Before,
): Expected => {
  const paused = Math.max(nowMs, pausedMs)
  let leastMs = paused
  let atMs = paused
  let paceMs = 0
  let last: string | undefined
  for (const { shared, crowd, readyAt, paceMs: pace = 0 } of limits) {
    const readyMs = readyAt(nowMs)
    const isKnown = Number.isFinite(readyMs)
    // What is not known is when a call before it will be sent or answered: most often soon.
    const fromMs = Math.max(paused, isKnown ? readyMs : nowMs)
    const ahead = crowd !== undefined ? before.of(crowd) : shared ? before.all : before.own
    const goesMs = fromMs + ahead * pace
    leastMs = Math.max(leastMs, isKnown ? fromMs : nowMs + unknownWaitMs)
    if (goesMs < atMs) continue
    if (goesMs > atMs || paceMs === 0) {
      paceMs = shared || crowd !== undefined ? pace : 0
      last = crowd
    }
    atMs = goesMs
  }
  return { atMs, leastMs, paceMs, crowd: last }
}

/** The first time at which waiting became of no use; undefined when none of them bars. */
export const barredUntil = (limits: readonly Gauge[], nowMs: number): number | undefined => {
  let untilMs: number | undefined
  for (const limit of limits) {
    const barredMs = limit.barredMs?.(nowMs)
    if (barredMs !== undefined) untilMs = Math.max(untilMs ?? 0, barredMs)
  }
  return untilMs
}

/**
 * How many more calls would go within a time if they came now, behind those `before` them: by the limit that admits the
 * fewest. Where no pace is known whoever waits already shows that there is no room.
 */
export const vacantFor = (
  limits: readonly Gauge[],
  at: { readonly nowMs: number; readonly pausedMs: number; readonly withinMs: number },
  before: Before,
): number => {
  const { nowMs, withinMs } = at
  if (barredUntil(limits, nowMs) !== undefined) return 0
  const isFull = limits.some(({ paceMs, readyAt }) => paceMs === undefined && readyAt(nowMs) === Infinity)
  const { atMs, paceMs } = expectedOf(limits, at, before)
  const leftMs = nowMs + withinMs - atMs
  if (isFull || leftMs < 0) return 0
  if (paceMs > 0) return Math.floor(leftMs / paceMs) + 1
  return before.all === 0 ? Infinity : 0
}

/** Nobody is sent away for longer than this because of those who were sent away before. */
const mostPromisedMs = 600_000
/** Part of the time in line after which one may come back: the line itself is a reserve of work. */
const early = 0.9

/**
 * When those come back who were sent away because the line is too long: one after the other, at the pace of the limit,
 * so that they find room and nobody's turn is tried again and again.
 */
export class Promised {
  #untilMs = -Infinity

  /** Nobody who was told a time is still to come. */
  isOver(nowMs: number): boolean {
    return this.#untilMs <= nowMs
  }

  /** Ms until it should come back. */
  next({ atMs, leastMs, paceMs }: Expected, nowMs: number): number {
    const goesMs = Math.min(Math.max(atMs, this.#untilMs), Math.max(atMs, nowMs + mostPromisedMs))
    // Who waits for its own agent's limit alone has no place among the others.
    if (paceMs > 0) this.#untilMs = goesMs + paceMs
    return Math.max(1, leastMs - nowMs, (goesMs - nowMs) * early)
  }
}
