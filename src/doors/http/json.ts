/**
 * JSON from strangers. Bytes and depth are checked before the parser sees anything, so that a bomb costs its own
 * length; a key `__proto__` is dropped; a number that would be rounded is refused; of a key that stands twice the last
 * one counts, as JSON.parse has it.
 */
import { Failure, mayLoseDigits, parseExactly } from '../../std/std.ts'

export const jsonBounds = { bytes: 1_048_576, depth: 64 } as const

const backslash = 92
const quote = 34
const opens = (char: number): boolean => char === 123 || char === 91
const closes = (char: number): boolean => char === 125 || char === 93

/** Whether a text nests at most `most` levels, counted outside strings. */
export const nestsWithin = (text: string, most: number): boolean => {
  let depth = 0
  let quoted = false
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charCodeAt(index)
    if (quoted) {
      if (char === backslash) index += 1
      else if (char === quote) quoted = false
    } else if (char === quote) quoted = true
    else if (opens(char)) {
      depth += 1
      if (depth > most) return false
    } else if (closes(char)) depth -= 1
  }
  return true
}

// A reviver makes parsing several times slower, so it runs only where the name could stand, plain or escaped.
const mayNameProto = (text: string): boolean => text.includes('__proto__') || text.includes('\\u')

const notProto = (key: string): boolean => key !== '__proto__'

/** The value of a JSON text that is already within its bound of bytes. @throws Failure `invalid`. */
export const readJson = (text: string): unknown => {
  if (!nestsWithin(text, jsonBounds.depth)) {
    throw new Failure('invalid', `JSON may nest ${jsonBounds.depth} levels`, { facts: { bound: 'depth' } })
  }
  try {
    return mayNameProto(text) || mayLoseDigits(text) ? parseExactly(text, notProto) : JSON.parse(text)
  } catch (error) {
    if (error instanceof Failure) throw error
    // The parser's own message quotes the input; ours says what is expected.
    throw new Failure('invalid', 'the body is not valid JSON')
  }
}

/** UTF-8 text of bytes. @throws Failure `invalid`. */
export const readText = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Failure('invalid', 'the body must be UTF-8')
  }
}
