/**
 * Which part of a limit this host may use. Limits are decided by the gate of each host alone, without asking anybody
 * for each call; so of several hosts each is lent a slice of a limit for a while, and whoever lends them sees to it
 * that all slices of one limit are never more than the whole. One host has all of everything, for ever.
 */
import type { UpstreamLimit } from '../model/model.ts'

export interface Slice {
  /** Name of the limit, as it is kept (names.ts). */
  readonly limit: string
  /** From 0 to 1. */
  readonly share: number
  /** Monotonic ms; from then on nothing of it is this host's. */
  readonly untilMs: number
}
/** Undefined = nothing of this limit was lent. */
export type Slices = (limit: string) => Slice | undefined

/** The share that is this host's now; 0 = nothing may go. Without slices there is one host. */
export const shareHere = (slices: Slices | undefined, limit: string, nowMs: number): number => {
  if (slices === undefined) return 1
  const slice = slices(limit)
  return slice === undefined || slice.untilMs <= nowMs ? 0 : Math.min(1, Math.max(0, slice.share))
}

/**
 * A limit at a share; undefined = not even one call is left of it. What is left is rounded down: of a longer window
 * with one call in it, as for a throttled agent, several hosts together would show the provider more than it allows.
 */
export const atSlice = (rule: UpstreamLimit, share: number): UpstreamLimit | undefined => {
  if (share >= 1) return rule
  if (!('rate' in rule)) {
    const concurrent = Math.floor(rule.concurrent * share)
    return concurrent === 0 ? undefined : { ...rule, concurrent }
  }
  const count = Math.floor(rule.rate.count * share)
  if (count === 0) return undefined
  return { ...rule, rate: { ...rule.rate, count }, burst: Math.max(1, Math.floor(rule.burst * share)) }
}
