/** Numbers that JSON.parse would change are refused, and named; all others are read as they are. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayLoseDigits, parseExactly } from '../../src/std/std.ts'

test.each([
  '9007199254740993',
  '-9007199254740993',
  '1e999',
  '123456789012345678901',
  '{"a":[{"b":9007199254740993}]}',
])('%s is refused, and says what to write instead', (text) => {
  expect(mayLoseDigits(text)).toBe(true)
  expect(() => parseExactly(text)).toThrow(/would be rounded: write it as text/)
})

test.each(['9007199254740991', '1e2', '0.1', '-0', '"9007199254740993"', '1e21', '{"__proto__":1}'])(
  '%s is read as JSON.parse reads it',
  (text) => {
    expect(parseExactly(text)).toEqual(JSON.parse(text))
  },
)

test('a key that is not kept is gone at any depth', () => {
  const read = parseExactly('{"a":{"__proto__":{"x":1},"b":2}}', (key) => key !== '__proto__')
  expect(JSON.stringify(read)).toBe('{"a":{"b":2}}')
})

test('no integer is changed unseen: it is read exactly, or refused', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (value) => {
      const text = `{"amount":${value}}`
      const read = (): unknown => (mayLoseDigits(text) ? parseExactly(text) : JSON.parse(text))
      let exact: unknown
      try {
        exact = read()
      } catch {
        return
      }
      expect(BigInt((exact as { amount: number }).amount)).toBe(value)
    }),
  )
})
