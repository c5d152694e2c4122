/**
 * Faults of a configuration, told all at once and for people: one line each with path, what was found, what was
 * expected, and the nearest valid word. Values are cut short; the value under an unknown key is never shown, it may be
 * a misplaced secret.
 */
import { Failure } from '../std/std.ts'
import { hidePasswords } from './passwords.ts'

export type Path = readonly PropertyKey[]

export interface ConfigFault {
  /** `agents.settler.upstreams[0]`, empty for the whole. */
  readonly path: string
  /** What stands there, as short JSON; `nothing` when it is absent. */
  readonly found: string
  readonly expected: string
  /** The nearest valid word, when one is near. */
  readonly nearest?: string
  /** Where it stands in the file, from 1; absent where code makes it. */
  readonly line?: number
}

/** People read a screen, not a flood; the count of the rest is told. */
const mostFaults = 200

export const formatPath = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const name = String(part)
    if (!/^[A-Za-z_$][\w$-]{0,80}$/.test(name)) return `${text}[${JSON.stringify(name.slice(0, 80))}]`
    return text === '' ? name : `${text}.${name}`
  }, '')

export const show = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  // JSON has no form for NaN and the infinities, String has.
  const text =
    typeof value === 'string'
      ? hidePasswords(JSON.stringify(value))
      : String(value as number | boolean | bigint | symbol | null)
  return text.length > 60 ? `${text.slice(0, 57)}…${typeof value === 'string' ? '"' : ''}` : text
}

/**
 * Edits (insert, delete, replace, swap of neighbours) between two words; restricted Damerau-Levenshtein over three
 * rows.
 */
export const editDistance = (left: string, right: string): number => {
  let twoBack: number[] = []
  let before = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row += 1) {
    const now = [row]
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1]
      let best = Math.min(before[column]! + 1, now[column - 1]! + 1, before[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        best = Math.min(best, twoBack[column - 2]! + 1)
      }
      now.push(best)
    }
    twoBack = before
    before = now
  }
  return before[right.length]!
}

/** The nearest of the valid words, or undefined when none is near enough to be what was meant. */
export const nearest = (word: string, valid: readonly string[]): string | undefined => {
  if (word.length > 80) return undefined
  const ranked = valid
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .toSorted((left, right) => left.distance - right.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(1, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined
}

/** A fault with its nearest word filled in when there is one. */
export const faultAt = (path: Path, found: string, expected: string, near?: string): ConfigFault => ({
  path: formatPath(path),
  found,
  expected,
  ...(near === undefined ? {} : { nearest: near }),
})

export const formatFault = ({ path, found, expected, nearest: near, line }: ConfigFault): string =>
  `${path === '' ? 'the whole config' : path}: found ${found}, expected ${expected}` +
  (near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`) +
  (line === undefined ? '' : ` (line ${line})`)

/** Failure `config-invalid`; facts.errors holds one line per fault, and the message all of them. */
export const configInvalid = (faults: readonly ConfigFault[], file?: string): Failure => {
  const all = [...new Set(faults.map(formatFault))]
  const lines = all.length > mostFaults ? [...all.slice(0, mostFaults), `… and ${all.length - mostFaults} more`] : all
  const count = all.length === 1 ? '1 error' : `${all.length} errors`
  const head = `${file ?? 'the config'} has ${count}; nothing of it was applied`
  return new Failure('config-invalid', [head, ...lines.map((line) => `  ${line}`)].join('\n'), {
    facts: { ...(file === undefined ? {} : { file }), errors: lines },
  })
}
