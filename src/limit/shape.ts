/**
 * The pace of a smooth limit: GCRA. Of rate R per window W, guard g and burst B, N = floor(R × (1 − g)) calls a window
 * go at even distances, B of them at once after a quiet time. That no window sees more than N is not its matter but
 * that of the window beside it (ledger.ts): so a burst lies inside the rate, and all of N can be used.
 *
 * What counts is when a call is really sent, not when it was admitted: in between lie the journal's fsync and perhaps
 * a handshake. A bucket therefore keeps `tatMs` (theoretical arrival time) of calls sent, and how many are admitted
 * and not yet sent; an admission must hold even if all of those leave in this very instant.
 */
import type { RatedLimit } from '../model/model.ts'

/** A call of weight n is n calls at once. */
export type RateRule = Pick<RatedLimit, 'rate' | 'burst' | 'guard' | 'weights'>

export interface Shape {
  /** Most calls in any window. */
  readonly count: number
  readonly windowMs: number
  /** Emission interval after a burst. */
  readonly intervalMs: number
  /** How far ahead of even spacing calls may run. */
  readonly toleranceMs: number
}
export interface Bucket {
  readonly tatMs: number
  readonly pending: number
}

export const shapeOf = (rule: RateRule): Shape => {
  const { count: rate, windowMs } = rule.rate
  const count = Math.max(1, Math.floor(rate * (1 - rule.guard)))
  // One call a window leaves no count to give away; its guard is taken from time instead, and is never nothing.
  if (count === 1) return { count, windowMs, intervalMs: windowMs * (1 + Math.max(rule.guard, 0.01)), toleranceMs: 0 }
  // What weighs more than the burst could never go.
  const heaviest = Math.max(1, ...rule.weights.map(({ weight }) => weight))
  const burst = Math.min(Math.max(heaviest, Math.floor(rule.burst)), count - 1)
  const intervalMs = windowMs / count
  return { count, windowMs, intervalMs, toleranceMs: (burst - 1) * intervalMs }
}

export const freshBucket: Bucket = { tatMs: -Infinity, pending: 0 }

/** Nothing left at `nowMs`: the state that no true history of this shape can exceed. */
export const emptyTat = (shape: Shape, nowMs: number): number => nowMs + shape.toleranceMs + shape.intervalMs

/** Sums of intervals are no whole numbers. */
const roundingMs = 1e-6

/**
 * When the next call may be admitted: at most `nowMs` means now; Infinity means not before a pending one is sent or
 * given up.
 */
export const readyAtMs = (shape: Shape, bucket: Bucket, nowMs: number, weight = 1): number => {
  const pendingMs = (bucket.pending + weight - 1) * shape.intervalMs
  if (pendingMs > shape.toleranceMs) return Infinity
  const atMs = bucket.tatMs + pendingMs - shape.toleranceMs
  return atMs > nowMs + roundingMs ? atMs : nowMs
}

export const admitted = (bucket: Bucket, weight = 1): Bucket => ({ ...bucket, pending: bucket.pending + weight })
export const givenUp = (bucket: Bucket, weight = 1): Bucket => ({ ...bucket, pending: bucket.pending - weight })
export const sent = (shape: Shape, bucket: Bucket, nowMs: number, weight = 1): Bucket => ({
  tatMs: Math.max(bucket.tatMs, nowMs) + weight * shape.intervalMs,
  pending: bucket.pending - weight,
})

/** How far ahead of `nowMs` the bucket is if all that is pending leaves now: what a successor must assume. */
export const aheadMs = (shape: Shape, bucket: Bucket, nowMs: number): number =>
  Math.max(0, Math.max(bucket.tatMs, nowMs) + bucket.pending * shape.intervalMs - nowMs)
