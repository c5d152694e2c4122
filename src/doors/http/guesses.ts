/**
 * Guessing is slow: an address that shows wrong credentials has a few tries and then about two a second. While it is
 * over that, nothing that it shows is looked at, but for what was right from there before: a guesser on a shared
 * address (this machine, a proxy) locks nobody out who is known.
 */
import type { Clock } from '../../std/std.ts'

export const guessBounds = { tries: 20, eachMs: 500, addresses: 1_000, known: 10_000 } as const

export interface Guesses {
  /** Milliseconds until something may be tried from there again; 0 = now. */
  waitMs(address: string): number
  wrong(address: string): void
  /** Notes that `name` was right from there. */
  right(address: string, name: string): void
  /** Whether `name` was right from there before. */
  knows(address: string, name: string): boolean
}

/** At the bounds the oldest entry is forgotten: a guesser of a thousand addresses gains their tries, no more. */
const forgetOldest = (
  kept: { readonly size: number; delete(key: string): boolean; keys(): Iterator<string> },
  most: number,
): void => {
  if (kept.size <= most) return
  const oldest = kept.keys().next()
  if (oldest.done !== true) kept.delete(oldest.value)
}

export const openGuesses = (clock: Clock): Guesses => {
  /** When the tries of an address will all be back, in monotonic ms. */
  const fullAt = new Map<string, number>()
  const known = new Set<string>()
  return {
    waitMs: (address) => {
      const spentMs = (fullAt.get(address) ?? 0) - clock.monoMs()
      return Math.max(0, spentMs - (guessBounds.tries - 1) * guessBounds.eachMs)
    },
    wrong: (address) => {
      const from = Math.max(clock.monoMs(), fullAt.get(address) ?? 0)
      fullAt.delete(address)
      fullAt.set(address, from + guessBounds.eachMs)
      forgetOldest(fullAt, guessBounds.addresses)
    },
    right: (address, name) => {
      known.add(`${address} ${name}`)
      forgetOldest(known, guessBounds.known)
    },
    knows: (address, name) => known.has(`${address} ${name}`),
  }
}
