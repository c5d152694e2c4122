/** zod's issues told as our faults: where, what stands there, what was expected, the nearest valid word. */
import type { z } from 'zod'
import { faultAt, nearest, show, type ConfigFault, type Path } from './faults.ts'
import { keyNotYet, valueNotYet } from './not-yet.ts'

type Issue = z.core.$ZodIssue
type UnionIssue = Extract<Issue, { code: 'invalid_union' }>

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
}

/** The value at a path of plain data; own properties only. */
export const valueAt = (raw: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, part)
        ? (value as Record<PropertyKey, unknown>)[part]
        : undefined,
    raw,
  )

/** The keys that an object at this path may have, read from the schema itself so that advice never lags behind it. */
export type ValidKeys = (path: Path) => readonly string[]

const oneOf = (words: readonly unknown[]): string =>
  words
    .map((word) => JSON.stringify(word))
    .join(', ')
    .replace(/, ([^,]*)$/, ' or $1')

const ofUnion = (issue: UnionIssue, path: Path, raw: unknown, valid: ValidKeys): readonly ConfigFault[] => {
  const value = valueAt(raw, path)
  const later = valueNotYet(path, value)
  if (later !== undefined) return [faultAt(path, show(value), later)]
  // The branch that was meant is the one that had no quarrel with the value as a whole.
  const meant = issue.errors.find((branch) =>
    branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  )
  if (meant) return meant.flatMap((inner) => toFaults(inner, raw, valid, path))
  const words = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : []))
  return [faultAt(path, show(value), issue.message, typeof value === 'string' ? nearest(value, words) : undefined)]
}

export const toFaults = (issue: Issue, raw: unknown, valid: ValidKeys, base: Path = []): readonly ConfigFault[] => {
  const path = [...base, ...issue.path]
  const value = valueAt(raw, path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = valid(path)
      return issue.keys.map((key) => {
        const later = keyNotYet([...path, key])
        return later === undefined
          ? faultAt([...path, key], 'an unknown key', `one of ${known.join(', ')}`, nearest(key, known))
          : faultAt([...path, key], 'this key', later)
      })
    }
    case 'invalid_union':
      return ofUnion(issue, path, raw, valid)
    case 'invalid_key':
      return [faultAt(path, 'this name', issue.issues.map((inner) => inner.message).join(' and '))]
    case 'invalid_type': {
      // The library's own words say less than ours; a shape that has words of its own says what it reads.
      const own = issue.message.startsWith('Invalid input') ? undefined : issue.message
      return [faultAt(path, show(value), own ?? kinds[issue.expected] ?? issue.expected)]
    }
    case 'invalid_value': {
      const words = issue.values.map(String)
      const near = typeof value === 'string' ? nearest(value, words) : undefined
      return [faultAt(path, show(value), valueNotYet(path, value) ?? oneOf(issue.values), near)]
    }
    case 'too_small':
      return [faultAt(path, show(value), `at least ${issue.minimum}${issue.origin === 'array' ? ' in the list' : ''}`)]
    case 'too_big':
      return [faultAt(path, show(value), `at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`)]
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
      return [faultAt(path, show(value), issue.message)]
  }
}
