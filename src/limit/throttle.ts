/**
 * Limits of what is throttled: beside those of its upstream a bucket of its own, at a share of each rate. Where an
 * upstream has no limit its usual rate is not known here, and nothing is added: then the work alone is slowed.
 */
import type { Applied, Scope } from './buckets.ts'
import { shapeOf, type LimitRule } from './shape.ts'

/** Who is throttled, as a mode names it, and to which share of the usual rate. */
export interface Throttled {
  readonly target: string
  readonly share: number
}

/** Fewer calls in the same window; where not even one is left, one in a longer window. */
export const atShare = (rule: LimitRule, share: number): LimitRule => {
  const { count, windowMs } = rule.rate
  const left = count * share
  const rate = left >= 1 ? { count: Math.floor(left), windowMs } : { count: 1, windowMs: windowMs / left }
  return { ...rule, rate, burst: Math.max(1, Math.floor(rule.burst * share)) }
}

const ownerOf = (per: LimitRule['per'], scope: Scope): string =>
  (per === 'agent' ? scope.agent : per === 'credential' ? scope.credential : '') ?? ''

/** Not `shared`: who waits for one of these lets the others of its line pass. */
export const throttledLimits = (rules: readonly LimitRule[], scope: Scope, throttled: Throttled): Applied[] =>
  rules.map((rule, index) => {
    const less = atShare(rule, throttled.share)
    // The rate is part of the name: another one begins with a bucket of its own.
    const at = `throttled ${less.rate.count}/${less.rate.windowMs}`
    const name = ['limit', scope.upstream, index, at, throttled.target, ownerOf(rule.per, scope)].join('\n')
    return { name, shape: shapeOf(less), shared: false }
  })
