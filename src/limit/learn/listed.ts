/**
 * Limits that an answer lists with the most that they let through, in the form of Binance's `rateLimits`, wherever in
 * the text they stand: by the names that readers of headers give to their use.
 */
import { intervalMs } from './numbers.ts'

/** A limit by its name, with what it lets through in a window. */
export interface Listed {
  readonly name: string
  readonly limit: number
}

const names: Readonly<Record<string, string>> = { ORDERS: 'orders', REQUEST_WEIGHT: 'weight' }
/** An exchange names a handful; more is noise. */
const mostListed = 16
const largest = 1_000_000_000
/** No object of a list is longer, nor holds another one. */
const one = /\{[^{}]{1,400}\}/g

const read = (text: string): Listed | undefined => {
  if (!text.includes('"rateLimitType"')) return undefined
  try {
    const { rateLimitType, interval, intervalNum, limit } = JSON.parse(text) as Readonly<Record<string, unknown>>
    const kind =
      typeof rateLimitType === 'string' && Object.hasOwn(names, rateLimitType) ? names[rateLimitType] : undefined
    const windowName = `${String(intervalNum)}${String(interval).slice(0, 1).toLowerCase()}`
    const isCount = Number.isSafeInteger(limit) && (limit as number) > 0 && (limit as number) <= largest
    if (kind === undefined || !isCount || intervalMs(windowName) === undefined) return undefined
    return { name: `${kind}-${windowName.toUpperCase()}`, limit: limit as number }
  } catch {
    return undefined
  }
}

/** `text`: the beginning of a body. What is malformed, or cut off, is as good as not there. */
export const readListed = (text: string): readonly Listed[] =>
  [...text.matchAll(one)].flatMap(([found]) => read(found) ?? []).slice(0, mostListed)
