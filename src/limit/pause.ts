/** What a provider says about waiting: Retry-After of 429 and 503, and our own patience where it says nothing. */
import type { Random } from '../std/std.ts'

/** A provider may ask for a day; more is taken for a broken header and cut here. */
const longestMs = 86_400_000
const ownBaseMs = 500
const ownCapMs = 60_000

/**
 * Milliseconds of a Retry-After value: seconds, or an HTTP date against `wallMs`. Undefined when it is neither; a
 * date that has passed is 0. A second is added to a date, which is only told in whole seconds of another clock.
 */
export const parseRetryAfter = (value: string | undefined, wallMs: number): number | undefined => {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^[0-9]+$/.test(text)) return Math.min(longestMs, Number(text) * 1_000)
  // Only the three date forms of RFC 9110 begin with the name of a day; Date.parse alone would take "1.5" for a date.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : Math.min(longestMs, Math.max(0, atMs - wallMs + 1_000))
}

/**
 * How long a scope pauses after an answer, undefined when it need not: the longer of what the header says and our own
 * patience, plus up to a tenth of jitter, so that not all come back in the same instant. `strikes` = refusals in a
 * row before this one.
 */
export const pauseAfter = (
  answer: { readonly status: number; readonly retryAfterMs: number | undefined; readonly strikes: number },
  random: Random,
): number | undefined => {
  const { status, retryAfterMs, strikes } = answer
  if (status !== 429 && (status !== 503 || retryAfterMs === undefined)) return undefined
  const ownMs = status === 429 ? Math.min(ownCapMs, ownBaseMs * 2 ** Math.min(strikes, 10)) : 0
  const baseMs = Math.max(retryAfterMs ?? 0, ownMs)
  return baseMs + 1 + random.next() * Math.min(baseMs / 10, 5_000)
}
