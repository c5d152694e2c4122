/**
 * Canonical JSON (RFC 8785) through the `canonicalize` library for plain data; the bytes that are hashed and signed.
 * bigint is not JSON: callers write amounts as strings.
 */
import canonicalizeModule from 'canonicalize'
import { Failure } from './failure.ts'

const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined

export const canonicalJson = (value: unknown): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new Failure('bug', 'this value has no JSON form')
  return text
}
