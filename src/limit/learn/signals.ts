/**
 * What an answer says about its provider's limits, in one form whoever the provider is. A reader a dialect; each gives
 * what it understands and nothing for what it does not: a malformed header is as good as none, never an error, and
 * never a limit that nobody stated. Facts of the dialects: RFC 9110, draft-ietf-httpapi-ratelimit-headers (the current
 * form and the three before it), the pages of GitHub, OpenAI, Anthropic and Binance.
 */
import { parseDictionary, parseList, type Parameters } from 'structured-headers'
import type { Clock } from '../../std/std.ts'
import {
  countOf,
  goDurationMs,
  httpDateMs,
  intervalMs,
  longestMs,
  momentMs,
  plainMs,
  resetMs,
  secondsMs,
} from './numbers.ts'

export type Unit = 'requests' | 'tokens' | 'weight' | 'bytes' | 'concurrent'

/** One of a provider's limits. Null is what it did not say. */
export interface Signal {
  /** Tells limits of one provider apart: a policy's name, a resource, `tokens`, `ip-weight-1M`. */
  readonly name: string
  readonly unit: Unit
  readonly limit: number | null
  readonly remaining: number | null
  readonly used: number | null
  /** From the answer until what is spent comes back. */
  readonly resetMs: number | null
  readonly windowMs: number | null
  /** Its windows begin with those of the provider's own clock. */
  readonly aligned?: true
}
export interface Told {
  /** The least wait that was asked for. It goes before every other signal. */
  readonly retryAfterMs: number | null
  readonly signals: readonly Signal[]
}

/** By lower-case name; what came twice is joined by commas, as HTTP has it. */
type Headers = ReadonlyMap<string, string>

/** A provider names a handful; more is noise. */
const mostSignals = 16
const mostText = 2_000
const mostName = 64

const nothing = { limit: null, remaining: null, used: null, resetMs: null, windowMs: null }

export const nameOf = (text: string): string => text.replaceAll(/[^\w.-]+/g, '-').slice(0, mostName) || 'default'

const headersOf = (pairs: readonly (readonly [string, string])[]): Headers => {
  const headers = new Map<string, string>()
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const before = headers.get(key)
    const text = before === undefined ? value : `${before}, ${value}`
    if (text.length <= mostText) headers.set(key, text)
  }
  return headers
}

const parsed = <Value>(parse: (text: string) => Value, text: string | undefined): Value | undefined => {
  if (text === undefined) return undefined
  try {
    return parse(text)
  } catch {
    // Not this form: the next one is tried, or the header is ignored.
    return undefined
  }
}
const whole = (value: unknown): number | null =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null
const cappedMs = (seconds: number | null): number | null =>
  seconds === null ? null : Math.min(longestMs, seconds * 1_000)

const unitOf = (parameters: Parameters): Unit => {
  const unit = String(parameters.get('qu') ?? 'requests').replaceAll('"', '')
  return unit === 'content-bytes' ? 'bytes' : unit === 'concurrent-requests' ? 'concurrent' : 'requests'
}

/** `"burst";q=100;w=60, "daily";q=1000;w=86400`; the members of inner lists are none of ours. */
const membersOf = (text: string | undefined): readonly (readonly [string, Parameters])[] =>
  (parsed(parseList, text) ?? []).flatMap(([item, parameters]) =>
    Array.isArray(item) || item instanceof ArrayBuffer ? [] : [[nameOf(String(item as string)), parameters] as const],
  )

/** The current form: a list of policies, and a list of what is left of them. */
const currentForm = (headers: Headers): Signal[] => {
  const policies = new Map(
    membersOf(headers.get('ratelimit-policy')).flatMap(([name, parameters]) => {
      const limit = whole(parameters.get('q'))
      return limit === null
        ? []
        : [[name, { limit, windowMs: cappedMs(whole(parameters.get('w'))), unit: unitOf(parameters) }]]
    }),
  )
  const left = membersOf(headers.get('ratelimit')).flatMap(([name, parameters]): Signal[] => {
    const remaining = whole(parameters.get('r'))
    if (remaining === null) return []
    const policy = policies.get(name) ?? { limit: null, windowMs: null, unit: 'requests' as const }
    policies.delete(name)
    return [{ ...nothing, ...policy, name, remaining, resetMs: cappedMs(whole(parameters.get('t'))) }]
  })
  return [...left, ...[...policies].map(([name, policy]): Signal => ({ ...nothing, ...policy, name }))]
}

/** The window of a limit by the older form of RateLimit-Policy, `100;w=60, 1000;w=3600`: it stands by its number. */
const windowOf = (headers: Headers, limit: number | null): number | null => {
  const policies = parsed(parseList, headers.get('ratelimit-policy')) ?? []
  const found = policies.find(([item]) => limit !== null && item === limit)
  return found === undefined ? null : cappedMs(whole(found[1].get('w')))
}

/** `limit=100, remaining=50, reset=5`, up to draft 7. */
const dictionaryForm = (headers: Headers): Signal[] => {
  const dictionary = parsed(parseDictionary, headers.get('ratelimit'))
  const of = (key: string): number | null => whole(dictionary?.get(key)?.[0])
  const [limit, remaining] = [of('limit'), of('remaining')]
  if (limit === null && remaining === null) return []
  const windowMs = windowOf(headers, limit)
  return [{ ...nothing, name: 'default', unit: 'requests', limit, remaining, resetMs: cappedMs(of('reset')), windowMs }]
}

/** `100`, or `100, 100;w=60`: the first number is the limit that counts, its window may follow. */
const limitAndWindow = (text: string | undefined): { limit: number | null; windowMs: number | null } => {
  const [first, ...policies] = (text ?? '').split(',')
  // `5,000` is no limit of 5.
  if (!policies.every((one) => one.includes(';') || one.trim() === first?.trim()))
    return { limit: null, windowMs: null }
  const window = /;\s*w\s*=\s*(\d{1,9})/.exec([first, ...policies].join(','))?.[1]
  return { limit: countOf(first?.split(';')[0]) ?? null, windowMs: cappedMs(countOf(window) ?? null) }
}

/** `RateLimit-Limit`, `-Remaining`, `-Reset` up to draft 6: reset in seconds from now. */
const threeHeaders = (headers: Headers): Signal[] => {
  const remaining = countOf(headers.get('ratelimit-remaining')) ?? null
  const { limit, windowMs } = limitAndWindow(headers.get('ratelimit-limit'))
  if (limit === null && remaining === null) return []
  const told = secondsMs(headers.get('ratelimit-reset')) ?? null
  const forMs = windowMs ?? windowOf(headers, limit)
  return [{ ...nothing, name: 'default', unit: 'requests', limit, remaining, resetMs: told, windowMs: forMs }]
}

/** `X-RateLimit-*` and `X-Rate-Limit-*`, with GitHub's resource and use: reset in seconds, or a Unix time. */
const extended = (headers: Headers, wallMs: number): Signal[] =>
  ['x-ratelimit', 'x-rate-limit'].flatMap((prefix): Signal[] => {
    const remaining = countOf(headers.get(`${prefix}-remaining`)) ?? null
    const { limit, windowMs } = limitAndWindow(headers.get(`${prefix}-limit`))
    if (limit === null && remaining === null) return []
    const used = countOf(headers.get(`${prefix}-used`)) ?? null
    const told = resetMs(headers.get(`${prefix}-reset`), wallMs) ?? null
    const name = nameOf(headers.get(`${prefix}-resource`) ?? 'default')
    return [{ ...nothing, name, unit: 'requests', limit, remaining, used, resetMs: told, windowMs }]
  })

/** `x-ratelimit-remaining-tokens` with durations of Go, as OpenAI writes them. */
const openAi = (headers: Headers): Signal[] =>
  (['requests', 'tokens'] as const).flatMap((unit): Signal[] => {
    const limit = countOf(headers.get(`x-ratelimit-limit-${unit}`)) ?? null
    const remaining = countOf(headers.get(`x-ratelimit-remaining-${unit}`)) ?? null
    if (limit === null && remaining === null) return []
    return [
      {
        ...nothing,
        name: unit,
        unit,
        limit,
        remaining,
        resetMs: goDurationMs(headers.get(`x-ratelimit-reset-${unit}`)) ?? null,
      },
    ]
  })

/** `anthropic-ratelimit-input-tokens-remaining` with moments of RFC 3339. */
const anthropic = (headers: Headers, wallMs: number): Signal[] =>
  ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((name): Signal[] => {
    const of = (part: string): string | undefined => headers.get(`anthropic-ratelimit-${name}-${part}`)
    const [limit, remaining] = [countOf(of('limit')) ?? null, countOf(of('remaining')) ?? null]
    if (limit === null && remaining === null) return []
    const unit = name === 'requests' ? 'requests' : 'tokens'
    return [{ ...nothing, name, unit, limit, remaining, resetMs: momentMs(of('reset'), wallMs) ?? null }]
  })

const binanceHeader = /^x-(?:mbx-(used-weight|order-count)|sapi-used-(ip|uid)-weight)-(\d{1,4}[smhd])$/

/** What was used of a window that begins with the provider's own minute (second, hour, day); not how much there is. */
const binance = (headers: Headers, wallMs: number): Signal[] =>
  [...headers].flatMap(([header, value]): Signal[] => {
    const found = binanceHeader.exec(header)
    const windowMs = found === null ? undefined : intervalMs(found[3]!)
    const used = countOf(value)
    if (found === null || windowMs === undefined || used === undefined) return []
    const of = found[2] === undefined ? (found[1] === 'order-count' ? 'orders' : 'weight') : `${found[2]}-weight`
    const name = `${of}-${found[3]!.toUpperCase()}`
    const unit = found[1] === 'order-count' ? 'requests' : 'weight'
    return [{ ...nothing, name, unit, used, resetMs: windowMs - (wallMs % windowMs), windowMs, aligned: true }]
  })

/**
 * Milliseconds of a wait that was asked for: `retry-after-ms` of the model providers, else Retry-After as seconds or as
 * an HTTP date. A date is measured by the provider's own clock, and told in whole seconds: one is added.
 */
const retryAfterOf = (headers: Headers, theirWallMs: number): number | null => {
  const exactMs = plainMs(headers.get('retry-after-ms'))
  if (exactMs !== undefined) return exactMs
  const text = headers.get('retry-after')?.trim()
  const waitMs = text !== undefined && /^\d+$/.test(text) ? secondsMs(text.slice(0, 16)) : undefined
  if (waitMs !== undefined) return waitMs
  const atMs = httpDateMs(text)
  return atMs === undefined ? null : Math.min(longestMs, Math.max(0, atMs - theirWallMs + 1_000))
}

/** Of one dialect a limit's name is told once; the newer form of the draft goes before the older ones. */
const distinct = (signals: readonly Signal[]): readonly Signal[] => {
  const byName = new Map<string, Signal>()
  for (const signal of signals) if (!byName.has(signal.name)) byName.set(signal.name, signal)
  return [...byName.values()].slice(0, mostSignals)
}

/** A piece of the name of each header that any of the readers looks for; most answers have none of them. */
const telling = /rate-?limit|retry-after|^x-(?:mbx|sapi)-/i
/** What such names begin with: looked at first, for it is asked of each header of each answer. */
const mayTell = (name: string): boolean => 'axrAXR'.includes(name.charAt(0)) && telling.test(name)

const nothingTold: Told = { retryAfterMs: null, signals: [] }

/** Reads an answer's headers. `wallMs` is what the machine's clock said when the answer came. */
export const readSignals = (pairs: readonly (readonly [string, string])[], wallMs: number): Told => {
  if (!pairs.some(([name]) => mayTell(name))) return nothingTold
  const headers = headersOf(pairs)
  const theirWallMs = httpDateMs(headers.get('date')) ?? wallMs
  const current = currentForm(headers)
  const drafts = current.length > 0 ? current : [...dictionaryForm(headers), ...threeHeaders(headers)]
  return {
    retryAfterMs: retryAfterOf(headers, theirWallMs),
    signals: distinct([
      ...drafts,
      ...openAi(headers),
      ...anthropic(headers, theirWallMs),
      ...binance(headers, theirWallMs),
      ...extended(headers, theirWallMs),
    ]),
  }
}

/** The least wait that an answer's headers ask for, in ms; null = none. */
export const askedWaitMs = (
  headers: readonly (readonly [string, string])[],
  clock: Pick<Clock, 'wallMs' | 'civilMs'>,
): number | null => readSignals(headers, clock.civilMs?.() ?? clock.wallMs()).retryAfterMs
