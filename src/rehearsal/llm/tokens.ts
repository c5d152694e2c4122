/** How many tokens a request and its answer have, and how many the provider gives in a minute. */
import { draw } from '../faults.ts'

/** About four characters of English make one; at least one. */
export const tokensOf = (text: string): number => Math.max(1, Math.ceil(text.length / 4))

/** The length of an answer: by chance, but the same for the same request under the same seed. */
export const lengthOf = (seed: number, text: string, most: number): number =>
  Math.max(1, Math.min(most, Math.round(most * (0.2 + 0.6 * draw(seed, 'length', text)))))

export interface TokenWindow {
  readonly most: number
  left(nowMs: number): number
  /** Ms until the oldest of them are given back; 0 when none are taken. */
  resetMs(nowMs: number): number
  /** 0 = let in; else the ms until so many would be. Of what is let in, all is taken. */
  enter(nowMs: number, tokens: number): number
}

/** Exact: at most `most` in any window of `windowMs`. What is larger than all of it is let in when nothing is taken. */
export const tokenWindow = (most: number, windowMs: number): TokenWindow => {
  let taken: { readonly atMs: number; readonly tokens: number }[] = []
  const sum = (): number => taken.reduce((total, one) => total + one.tokens, 0)
  const forget = (nowMs: number): void => {
    taken = taken.filter(({ atMs }) => nowMs - atMs < windowMs)
  }
  return {
    most,
    left: (nowMs) => {
      forget(nowMs)
      return Math.max(0, most - sum())
    },
    resetMs: (nowMs) => {
      forget(nowMs)
      return taken.length === 0 ? 0 : taken[0]!.atMs + windowMs - nowMs
    },
    enter: (nowMs, tokens) => {
      forget(nowMs)
      let over = sum() + tokens - most
      if (over <= 0 || taken.length === 0) {
        taken.push({ atMs: nowMs, tokens })
        return 0
      }
      for (const one of taken) {
        over -= one.tokens
        if (over <= 0) return one.atMs + windowMs - nowMs
      }
      return taken.at(-1)!.atMs + windowMs - nowMs
    },
  }
}
