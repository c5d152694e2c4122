/**
 * How far an upstream's clock is from ours, by the `Date` of its answers. A Date tells whole seconds of a moment
 * between sending and answer, so it proves an interval; the offset moves only when that proves it wrong. Of one that
 * has not told its time yet the machine's own clock is the best guess: ours follows that slowly (std/steady.ts).
 */
import { toCivil, type Clock } from '../std/std.ts'

export interface Skew {
  /** Milliseconds to add to our wall clock. */
  of(upstream: string): number
  learn(upstream: string, date: string | undefined, sentMs: number, gotMs: number): void
}

/** A farther one is no clock, and nothing signed with it would be taken by anybody else. */
const farthestMs = 86_400_000

/** The offset after an answer: kept while it is possible, else the nearest possible one and half a second inside. */
export const offsetAfter = (offsetMs: number, dateMs: number, sentMs: number, gotMs: number): number => {
  const lowMs = dateMs - gotMs
  const highMs = dateMs + 1_000 - sentMs
  if (offsetMs >= lowMs && offsetMs <= highMs) return offsetMs
  return (lowMs + highMs) / 2
}

export const openSkew = (clock: Pick<Clock, 'wallMs' | 'civilMs'>): Skew => {
  const offsets = new Map<string, number>()
  /** Within a second all answers tell the same. */
  let last = { text: '', ms: Number.NaN }
  const parse = (text: string): number => {
    if (text !== last.text) last = { text, ms: Date.parse(text) }
    return last.ms
  }
  const of = (upstream: string): number => offsets.get(upstream) ?? toCivil(clock, 0)
  return {
    of,
    learn: (upstream, date, sentMs, gotMs) => {
      const dateMs = date === undefined ? Number.NaN : parse(date)
      if (Number.isNaN(dateMs) || Math.abs(dateMs - gotMs) > farthestMs) return
      offsets.set(upstream, offsetAfter(of(upstream), dateMs, sentMs, gotMs))
    },
  }
}
