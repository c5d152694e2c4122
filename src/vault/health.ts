/**
 * How well a credential does: what its provider said of it lately. Pure. One refusal makes the others of its pool go
 * first; three in a row let it rest for a while, longer each time, and then it is tried again. A single success clears
 * it. When all of a pool rest, the one whose rest ends first is used: a refusal by the provider is better than one by a
 * guess.
 */
import type { Shown } from './ports.ts'

export interface Health {
  readonly refusals: number
  readonly restUntilMs: number
  readonly rests: number
  /** What the last refusal was. */
  readonly status: 401 | 403 | null
}
export const healthy: Health = { refusals: 0, restUntilMs: 0, rests: 0, status: null }

const refusalsToRest = 3
const firstRestMs = 30_000
const longestRestMs = 600_000

export const afterRefusal = (health: Health, nowMs: number, status: 401 | 403): Health => {
  const refusals = health.refusals + 1
  if (refusals < refusalsToRest || health.restUntilMs > nowMs) return { ...health, refusals, status }
  const restMs = Math.min(longestRestMs, firstRestMs * 2 ** Math.min(health.rests, 10))
  return { refusals, restUntilMs: nowMs + restMs, rests: health.rests + 1, status }
}

/**
 * It rests because its provider does not know it (any more). Who is known and may not (403) is no such case: that can
 * be a limit or a ban, and to go on by another account would be a way around it.
 */
export const isUnknownThere = ({ restUntilMs, status }: Health, nowMs: number): boolean =>
  restUntilMs > nowMs && status === 401

/** Lower is better. */
export const burden = ({ refusals, restUntilMs }: Health, nowMs: number): number =>
  restUntilMs > nowMs ? 1_000 + (restUntilMs - nowMs) : refusals

/**
 * What the answer to a call says of its secret; undefined = nothing, for the call itself may be no good. `counts` where
 * a 403 is taken for a word about it (`switchOn`); one by which a limit refuses is none.
 */
export const shownBy = (
  status: number,
  { counts, isLimited }: { readonly counts: boolean; readonly isLimited: boolean },
): Shown | undefined => {
  if (status === 401) return 'not-accepted'
  if (status === 403) return counts && !isLimited ? 'forbidden' : undefined
  return status < 400 ? 'accepted' : undefined
}
