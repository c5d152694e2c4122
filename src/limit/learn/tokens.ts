/**
 * How many tokens a call takes, as answers tell: by how much less is left after it than after the answer before. What
 * it will be is not known when a call is sent, so the most of late is assumed, and each answer puts right what was
 * assumed of the calls before it. Until two answers were heard in order it is what lies between the most and the least
 * that any of them left, by their number.
 */

/** Calls of which the one that took most is assumed. */
const rememberedCalls = 16
/** A limit that refuses says nothing of another one's tokens: so many times of what calls took is not believed. */
const mostTimes = 8

export class TokensPerCall {
  #lately: number[] = []
  /** Answers since less was left last. */
  #answers = 0
  /** While no two answers were heard in order: how many, and the most and least that was left. */
  #first: { answers: number; most: number; least: number } | undefined = { answers: 0, most: 0, least: Infinity }

  constructor(perCall: number) {
    if (perCall > 0) this.#keep(perCall)
  }

  /** At least 1, also where nothing is known. */
  get perCall(): number {
    const { answers, most, least } = this.#first ?? { answers: 0, most: 0, least: 0 }
    return Math.max(1, ...this.#lately, answers === 0 ? 0 : (most - least) / answers)
  }

  /** An answer to a call that was let in. `of` = all that there is in a window, where that is known. */
  left(remaining: number, of: number | null): void {
    if (this.#first === undefined) return
    const { answers, most, least } = this.#first
    // Without the whole, the first answer only says where the others begin.
    const isCounted = of !== null || answers > 0 || most > 0
    this.#first = {
      answers: answers + (isCounted ? 1 : 0),
      most: Math.max(most, of ?? remaining),
      least: Math.min(least, remaining),
    }
  }

  /** Another window began. */
  anew(): void {
    if (this.#first !== undefined && this.#lately.length === 0) this.#lately.push(this.perCall)
    if (this.#first !== undefined) this.#first = { answers: 0, most: 0, least: Infinity }
    this.#answers = 0
  }

  /** By this much less is left than by the answer before, to a call of the same window; answers overtake each other. */
  took(less: number): void {
    this.#answers += 1
    if (less <= 0) return
    const perCall = less / this.#answers
    // What was assumed before stands as one of the calls of late.
    this.anew()
    this.#keep(perCall)
  }

  /** A call was refused although so much was left. */
  refused(left: number): void {
    const { perCall } = this
    if (left >= perCall && left < mostTimes * perCall) this.#keep(left + 1)
  }

  #keep(perCall: number): void {
    this.#first = undefined
    this.#lately.push(perCall)
    if (this.#lately.length > rememberedCalls) this.#lately.shift()
  }
}

/** Of a limit on tokens. */
export interface Tokens {
  readonly each: TokensPerCall
  /** The least that an answer of this window told as left; Infinity = none has yet. */
  readonly told: number
  /** Answers to calls that were sent before are of the window before. */
  readonly sinceMs: number
}

/** What is known of a limit on tokens after an answer that told `remaining`. */
export const tokensAfter = (
  before: Tokens | undefined,
  answer: {
    readonly isNew: boolean
    readonly remaining: number
    readonly refused: boolean
    readonly limit: number | null
  },
): Tokens => {
  const { isNew, remaining, refused, limit } = answer
  const each = before?.each ?? new TokensPerCall(0)
  if (isNew) each.anew()
  if (refused) each.refused(remaining)
  else each.left(remaining, limit)
  if (!refused && !isNew) each.took(before!.told - remaining)
  return { each, sinceMs: before?.sinceMs ?? -Infinity, told: isNew ? remaining : Math.min(before!.told, remaining) }
}
