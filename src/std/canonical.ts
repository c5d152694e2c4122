/**
 * Canonical JSON (RFC 8785) through the `canonicalize` library for plain data; the bytes that are hashed and signed.
 * bigint is not JSON: callers write amounts as strings.
 */
import canonicalizeModule from 'canonicalize'
import { Failure } from './failure.ts'

const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined

const canonical = (value: unknown): string | undefined => {
  try {
    return canonicalize(value)
  } catch (cause) {
    // What comes from outside may hold a lone surrogate (JSON.parse lets it through): that is the sender's fault, not a
    // bug of ours.
    throw new Failure('invalid', `no canonical JSON: ${cause instanceof Error ? cause.message : 'unknown'}`, { cause })
  }
}

/**
 * @throws Failure `invalid` for NaN, infinities, bigint, cycles and lone surrogates; `bug` for what is no JSON value at
 * all.
 */
export const canonicalJson = (value: unknown): string => {
  const text = canonical(value)
  if (text === undefined) throw new Failure('bug', 'this value has no JSON form')
  return text
}
