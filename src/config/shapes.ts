/**
 * The small shapes that the schema is made of: text that stands for a measure, read by std's readers into ms, bytes,
 * rates and money. Every custom issue's message says what was expected, without a subject, so that faults.ts can put it
 * into its sentence.
 */
import { z } from 'zod'
import { parseDuration, parseRate, parseSize } from '../std/std.ts'
import { parsePattern, parseRoute } from './route.ts'

/** A schema of text that `read` turns into a value; `expected` is told when it cannot. */
const text = <Value>(expected: string, read: (given: string) => Value | undefined) =>
  z
    .string(expected)
    .max(4_096)
    .transform((given, context): Value => {
      const value = read(given)
      if (value !== undefined) return value
      context.addIssue({ code: 'custom', message: expected })
      return z.NEVER
    })

export const duration = text('a duration like "30s", "5m", "2h" or "30d"', parseDuration)
export const positiveDuration = text(
  'a duration over zero like "30s", "5m", "2h" or "30d"',
  (given) => parseDuration(given) || undefined,
)
export const size = text('a size like "256MB" or "256MiB"', (given) => parseSize(given) || undefined)
export const rate = text('a rate like "100/s" or "6000/min"', parseRate)

/** A whole number, also as digits in text, because `env()` gives text. */
export const whole = (low: number, high: number, what: string) =>
  z
    .union([z.number(), z.string()], `${what}, a whole number from ${low} to ${high}`)
    .transform((given, context): number => {
      const value = typeof given === 'number' ? given : /^[0-9]{1,15}$/.test(given) ? Number(given) : Number.NaN
      if (Number.isSafeInteger(value) && value >= low && value <= high) return value
      context.addIssue({ code: 'custom', message: `${what}, a whole number from ${low} to ${high}` })
      return z.NEVER
    })

/** A share of 0.05 or "5%" as a number in [0, 1]; undefined when it is none. */
export const readShare = (given: unknown): number | undefined => {
  const percent = typeof given === 'string' ? /^([0-9]{1,3}(?:\.[0-9]{1,6})?)%$/.exec(given) : null
  const value = typeof given === 'number' ? given : percent ? Number(percent[1]) / 100 : Number.NaN
  return value >= 0 && value <= 1 ? value : undefined
}

export const share = z
  .union([z.number(), z.string()], 'a share from 0 to 1, or like "5%"')
  .transform((given, context): number => {
    const value = readShare(given)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: 'a share from 0 to 1, or like "5%"' })
    return z.NEVER
  })

/** How many calls are looked at: `20`, or `"20 calls"`. */
export const calls = z
  .union([z.number(), z.string()], 'a number of calls from 5 to 1000, like "20 calls"')
  .transform((given, context): number => {
    const count = typeof given === 'number' ? given : Number(/^([0-9]{1,4})(?: calls?)?$/.exec(given.trim())?.[1])
    if (Number.isInteger(count) && count >= 5 && count <= 1_000) return count
    context.addIssue({ code: 'custom', message: 'a number of calls from 5 to 1000, like "20 calls"' })
    return z.NEVER
  })

/** What statuses mean at most APIs that move money; a channel may say otherwise. */
export const usualOutcome = { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] } as const

/** Names become parts of ids, paths and sockets, so they are plain. */
export const name = text('a name: small letters, digits and hyphens, a letter first, at most 63', (given) =>
  /^[a-z][a-z0-9-]{0,62}$/.test(given) ? given : undefined,
)

/** What leads a program to the gate is not the configuration's to say. */
export const variable = text(
  'a variable like "OPENAI_API_KEY", none of the sitter, of proxies or of loaders',
  (given) =>
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(given) && !/^(SITTER_|LD_|NODE_|PATH$|.*_PROXY$)/i.test(given)
      ? given
      : undefined,
)

export const pattern = text(
  'a pattern like "POST /v1/payouts" or "GET /v1/**"',
  (given) => parsePattern(given) && given,
)
export const pathPattern = text('a path like "/v1/payouts" or "/v1/**"', (given) =>
  parsePattern(`GET ${given}`) ? given : undefined,
)
export const method = text('a method like "GET" or "POST"', (given) =>
  /^[A-Z]{3,16}$/.test(given) ? given : undefined,
)
export const route = text('a route like "POST /v1/payouts"', (given) => parseRoute(given, 'no-query'))

const placeholders = ['reference', 'payee', 'amount', 'currency', 'memo', 'key']

/** Whether every brace of a template belongs to a known placeholder. */
const isTemplate = (given: string, known: readonly string[]): boolean =>
  known.reduce((rest, placeholder) => rest.replaceAll(`{${placeholder}}`, ''), given).search(/[{}]/) < 0

export const template = text(`text in which {${placeholders.join('} {')}} are the only placeholders`, (given) =>
  isTemplate(given, placeholders) ? given : undefined,
)
export const queryRoute = text(
  'a route like "GET /v1/payouts?key={key}" whose placeholders are {key} and {reference}',
  (given) => (isTemplate(given, ['key', 'reference']) ? parseRoute(given, 'query') : undefined),
)

/** Headers that the gate sets itself, or that change how a message is framed. */
const ownHeaders = [
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'host',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

export const header = text(
  'a header name in small letters like "idempotency-key", not one that the gate sets itself',
  (given) =>
    /^[a-z][a-z0-9-]{0,63}$/.test(given) && !ownHeaders.includes(given) && !given.startsWith('proxy-')
      ? given
      : undefined,
)

export const origin = text('an origin like "https://api.example.com", without path, query or user', (given) => {
  const url = URL.parse(given)
  const plain =
    url &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    // A name with a dot at its end is another name to some who compare, and the same to those who resolve.
    !url.hostname.endsWith('.')
  // The slash that URL adds is no path; anything beyond it would be silently lost.
  return plain && (given === url.origin || given === `${url.origin}/`) ? url.origin : undefined
})

/** Stars stand for what `config show` hides; they are nobody's address. */
export const webAddress = text('an address like "https://hooks.example.com/T0/B1"', (given) => {
  const url = given.includes('***') ? null : URL.parse(given)
  return url && (url.protocol === 'http:' || url.protocol === 'https:') ? url.href : undefined
})

/** Of a program on this host: what it depends on lies elsewhere. */
export const loopbackAddress = text('an address on this host like "http://127.0.0.1:8080/livez"', (given) => {
  const url = URL.parse(given.replaceAll('{number}', '1'))
  const isHere = url && (url.hostname === '127.0.0.1' || url.hostname === 'localhost' || url.hostname === '[::1]')
  return isHere && url.protocol === 'http:' && url.username === '' ? given : undefined
})

/** As URLs have it: without a port it means the usual one of the scheme. */
export const host = text('a host like "api.example.com" or "127.0.0.1:9100"', (given) => {
  const url = /^[a-z0-9.:[\]-]{1,259}$/.test(given) ? URL.parse(`http://${given}`) : null
  return url && (given === url.host || given === `${url.hostname}:80`) ? given : undefined
})

export const hostPort = text('a host and port like "127.0.0.1:9100"', (given) => {
  const match = /^([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]):([1-9][0-9]{0,4})$/.exec(given)
  return match && Number(match[2]) <= 65_535 ? given : undefined
})

export const listenHost = text('an address or host name to listen on like "127.0.0.1"', (given) =>
  /^[A-Za-z0-9.:-]{1,253}$/.test(given) ? given : undefined,
)

export const notEmpty = (what: string) =>
  text(what, (given) => (given.trim() === '' || given.includes('\0') ? undefined : given))

/** A program and its arguments. */
export const words = z.array(notEmpty('a word of a command line')).min(1).max(1_000)

/** `embedded`, or the address of a PostgreSQL database; a fault never shows its password. */
export const storeAddress = text('"embedded" or an address like "postgres://user@host:5432/database"', (given) => {
  if (given === 'embedded') return given
  const url = URL.canParse(given) ? new URL(given) : undefined
  const named = url !== undefined && url.pathname.length > 1
  return named && (url.protocol === 'postgres:' || url.protocol === 'postgresql:') ? given : undefined
})
