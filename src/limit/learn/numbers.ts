/** How providers write numbers and times in their limit headers. What is written in no known way is undefined. */

/** Nobody's limit is larger, and integers stay exact. */
const mostCount = 1e15
/** Bans go up to days (Binance: three); what asks for more than a week is a broken header. */
export const longestMs = 604_800_000

/** A whole number of requests, tokens or bytes; a fraction (some proxies write `10.0`) must be nothing. */
export const countOf = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,16}(?:\.0+)?$/.test(text.trim())) return undefined
  const count = Number(text)
  return count <= mostCount ? count : undefined
}

const capped = (ms: number): number | undefined =>
  Number.isFinite(ms) && ms >= 0 ? Math.min(longestMs, ms) : undefined

/** Seconds from now, whole or with a fraction. */
export const secondsMs = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,16}(?:\.\d{1,9})?$/.test(text.trim()) ? capped(Number(text) * 1_000) : undefined

/** Milliseconds from now. */
export const plainMs = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,16}(?:\.\d{1,9})?$/.test(text.trim()) ? capped(Number(text)) : undefined

/**
 * A reset that may be seconds from now, or a Unix time in seconds or in ms: told apart by size, for no wait is 30 years
 * long and no clock stands before 2001. `wallMs` is the provider's clock.
 */
export const resetMs = (text: string | undefined, wallMs: number): number | undefined => {
  const seconds = secondsMs(text)
  if (seconds === undefined) return undefined
  const value = Number(text)
  if (value >= 1e12) return capped(Math.max(0, value - wallMs))
  return value >= 1e9 ? capped(Math.max(0, value * 1_000 - wallMs)) : seconds
}

const goUnits: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 1e-6,
}

/** A duration as Go prints it: `1s`, `6m0s`, `1h2m3.5s`, `120ms`. */
export const goDurationMs = (text: string | undefined): number | undefined => {
  const plain = text?.trim() ?? ''
  if (plain === '0') return 0
  if (plain.length > 40 || !/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(plain)) return undefined
  let ms = 0
  for (const [, count, unit] of plain.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g))
    ms += Number(count) * goUnits[unit!]!
  return capped(ms)
}

/** A moment as RFC 3339 writes it, against the provider's clock. */
export const momentMs = (text: string | undefined, wallMs: number): number | undefined => {
  if (
    text === undefined ||
    !/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|z|[+-]\d{2}:\d{2})$/.test(text.trim())
  )
    return undefined
  const atMs = Date.parse(text.trim().replace(' ', 'T'))
  return Number.isNaN(atMs) ? undefined : capped(Math.max(0, atMs - wallMs))
}

/** Only the three date forms of RFC 9110 begin with the name of a day; Date.parse alone would take "1.5" for a date. */
export const httpDateMs = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text.trim())) return undefined
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : atMs
}

const letters: Readonly<Record<string, number>> = { S: 1_000, M: 60_000, H: 3_600_000, D: 86_400_000 }

/** Binance's windows: `1M` is a minute, `10S` ten seconds. */
export const intervalMs = (text: string): number | undefined => {
  const found = /^(\d{1,4})([SMHD])$/.exec(text.toUpperCase())
  const count = Number(found?.[1] ?? 0)
  return found === null || count === 0 ? undefined : count * letters[found[2]!]!
}
