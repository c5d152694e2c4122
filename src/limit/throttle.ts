/**
 * Limits of what is throttled: beside those of its upstream one of its own, at a share of each. Where an upstream has
 * no limit its usual rate is not known here, and nothing is added: then the work alone is slowed.
 */
import type { UpstreamLimit } from '../model/model.ts'

/** Fewer calls in the same window; where not even one is left, one in a longer window. */
export const atShare = (rule: UpstreamLimit, share: number): UpstreamLimit => {
  if (!('rate' in rule)) return { ...rule, concurrent: Math.max(1, Math.floor(rule.concurrent * share)) }
  const { count, windowMs } = rule.rate
  const left = count * share
  const rate = left >= 1 ? { count: Math.floor(left), windowMs } : { count: 1, windowMs: windowMs / left }
  return { ...rule, rate, burst: Math.max(1, Math.floor(rule.burst * share)) }
}
