/**
 * What an answer means, as a pure function of (profile, call, answer): the profile's own rules first, sound defaults
 * after them. The class decides who may try again, and whom the answer is held against:
 *
 *   succeeded   it was done
 *   transient   not done, may be tried again soon: the provider is sick
 *   limited     not done, to be tried again when the limit allows
 *   credential  not done: this credential is refused
 *   funds       not done: money or quota is missing, a person must see to it
 *   permanent   not done, and never will be as it is
 *   unknown     nobody knows whether it was done: to be asked, never to be sent again blindly
 */
import type { AnswerClass, Profile } from '../../model/model.ts'
import { limitProblem } from './problems.ts'

export interface Answer {
  /** Null: sent, and no whole answer came. */
  readonly status: number | null
  /** The beginning of the body, for codes and texts. */
  readonly body: string
  /** It asked for a wait, or said that nothing is left of a limit. */
  readonly limited: boolean
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY'])
/** A call that changes nothing may be sent again whatever became of it. */
export const isSafe = (method: string): boolean => safeMethods.has(method)

const mostBody = 65_536

const statusFits = (wanted: readonly (number | string)[], status: number | null): boolean =>
  status !== null && wanted.some((one) => String(one) === String(status) || one === `${Math.floor(status / 100)}xx`)

/** The provider's own codes, wherever the profile says they may stand. */
const codesOf = (profile: Profile, body: string): readonly string[] => {
  if (profile.codeAt === undefined || !/^\s*[{[]/.test(body) || body.length > mostBody) return []
  let root: unknown
  try {
    root = JSON.parse(body)
  } catch {
    return []
  }
  return profile.codeAt.flatMap((path) => {
    const value = path
      .split('.')
      .reduce<unknown>(
        (at, key) =>
          typeof at === 'object' && at !== null && Object.hasOwn(at, key)
            ? (at as Record<string, unknown>)[key]
            : undefined,
        root,
      )
    return typeof value === 'string' || typeof value === 'number' ? [String(value)] : []
  })
}

const byDefault = (safe: boolean, { status, limited, body }: Answer): AnswerClass => {
  // Sent, and the answer lost; or a provider that failed in the middle of it.
  const unclear = safe ? 'transient' : 'unknown'
  if (status === null) return unclear
  if (status < 400) return 'succeeded'
  if (status === 429 || limitProblem(body) !== undefined) return 'limited'
  if (status === 401 || status === 407) return 'credential'
  if (status === 403) return limited ? 'limited' : 'credential'
  if (status === 402) return 'funds'
  if (status === 501 || status === 505) return 'permanent'
  if (status >= 500) return unclear
  // Not heard to its end, too early, locked by another: the server did nothing with it. A conflict may be our own.
  if (status === 408 || status === 425 || status === 423) return 'transient'
  if (status === 409) return unclear
  return 'permanent'
}

/** The class of an answer to a call that changes something, unless `safe`. */
export const classify = (profile: Profile | null, safe: boolean, answer: Answer): AnswerClass => {
  if (profile !== null) {
    const codes = codesOf(profile, answer.body)
    const text = answer.body.slice(0, mostBody).toLowerCase()
    const rule = profile.rules.find(
      (one) =>
        (one.status === undefined || statusFits(one.status, answer.status)) &&
        (one.code === undefined || one.code.some((code) => codes.includes(code))) &&
        (one.text === undefined || text.includes(one.text.toLowerCase())) &&
        (one.safe === undefined || one.safe === safe),
    )
    if (rule !== undefined) return rule.class
  }
  return byDefault(safe, answer)
}

/** Evidence for a breaker: true = the upstream failed, false = it works, null = says nothing about it. */
export const isFailure = (of: AnswerClass, status: number | null): boolean | null => {
  if (of === 'succeeded') return false
  if (of === 'unknown') return true
  // A transient answer below 500 is the call's own bad luck.
  if (of === 'transient') return status === null || status >= 500 ? true : null
  return null
}
