/**
 * Problem documents (RFC 9457) by which a limit refuses, as draft-ietf-httpapi-ratelimit-headers defines them: whatever
 * their status, nothing was done, and some name the policies that were exceeded.
 */
import { nameOf } from '../learn/signals.ts'

export interface LimitProblem {
  /** Names of limits, as `RateLimit` and `RateLimit-Policy` tell them. */
  readonly violated: readonly string[]
}

const mark = 'http-problem-types#'
const types = ['quota-exceeded', 'temporary-reduced-capacity', 'abnormal-usage-detected']
const isType = (found: string): boolean => {
  const [registry, name = '', ...more] = found.split('#')
  return (
    /^https:\/\/(?:www\.)?iana\.org\/assignments\/http-problem-types$/.test(registry!) &&
    types.includes(name) &&
    more.length === 0
  )
}
const mostBody = 65_536
/** As many as a provider's limits that are remembered. */
const mostNames = 16

/** Undefined = the body is none. */
export const limitProblem = (body: string): LimitProblem | undefined => {
  if (body.length > mostBody || !body.includes(mark)) return undefined
  try {
    const { type: found, 'violated-policies': names } = JSON.parse(body) as Readonly<Record<string, unknown>>
    if (typeof found !== 'string' || !isType(found)) return undefined
    const violated: readonly unknown[] = Array.isArray(names) ? names.slice(0, mostNames) : []
    return { violated: violated.flatMap((name) => (typeof name === 'string' ? [nameOf(name)] : [])) }
  } catch {
    return undefined
  }
}
