/** One of a provider's limits as it is learned, and what calls count by it. */
import type { Tokens } from './tokens.ts'

/** One of a provider's limits, as far as it is known. */
export interface Left {
  /** Of its unit, what calls may still use in this window; Infinity = not counted by calls, and not used up. */
  readonly left: number
  readonly untilMs: number
  /** Of its unit, what a whole window has, and its length; null = not known. */
  readonly limit: number | null
  readonly windowMs: number | null
  /** Counted in weights, not in calls. */
  readonly weighs?: true
  /** Counted in tokens, of which it is only assumed what a call takes. */
  readonly tokens?: Tokens
  /** Its windows begin with those of the provider's clock. */
  readonly aligned?: true
  /** Its window is over, and of the next one nothing is known. */
  readonly isGuess?: true
}

/** Calls, and what they weigh. */
export class Sum {
  calls = 0
  weight = 0

  add(weight: number, sign: 1 | -1): void {
    this.calls += sign
    this.weight += sign * weight
  }
  /** As one of a provider's limits counts. */
  by({ weighs, tokens }: Left): number {
    if (tokens !== undefined) return this.calls === 0 ? 0 : this.calls * tokens.each.perCall
    return weighs === true ? this.weight : this.calls
  }
}

/** What a call counts by this limit, as far as it is known before it is answered. */
export const countOf = ({ weighs, tokens }: Left, weight: number): number =>
  tokens === undefined ? (weighs === true ? weight : 1) : tokens.each.perCall

/** What must be left for a call. One that counts more than all there is goes when nothing else is counted. */
export const needOf = (one: Left, weight: number): number => {
  if (one.isGuess === true || (one.weighs !== true && one.tokens === undefined)) return 1
  const count = countOf(one, weight)
  return Math.max(1, Math.min(count, one.limit ?? count))
}
