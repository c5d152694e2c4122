import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration, parseRate, parseSize } from '../../src/std/std.ts'

test.for([
  ['0s', 0],
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['30d', 2_592_000_000],
] as const)('"%s" is %i ms', ([text, ms]) => {
  expect(parseDuration(text)).toBe(ms)
})

test.for([
  ['0B', 0],
  ['256MB', 256_000_000],
  ['256MiB', 268_435_456],
  ['1KiB', 1_024],
  ['2GB', 2e9],
] as const)('"%s" is %i bytes', ([text, bytes]) => {
  expect(parseSize(text)).toBe(bytes)
})

test.for([
  ['400/s', { count: 400, windowMs: 1_000 }],
  ['6000/min', { count: 6_000, windowMs: 60_000 }],
  ['6000/m', { count: 6_000, windowMs: 60_000 }],
  ['5/d', { count: 5, windowMs: 86_400_000 }],
] as const)('"%s" is a rate', ([text, rate]) => {
  expect(parseRate(text)).toEqual(rate)
})

const strange = [
  '',
  ' ',
  '30',
  's',
  '-1s',
  '+1s',
  '1.5s',
  '1e3s',
  ' 30s',
  '30s ',
  '30s\n',
  '30 s',
  '30S',
  '\uff13\uff10s',
  '1s2m',
  'NaNs',
  '30sec',
  '0/s',
  '1/y',
  '256mb',
  '1TB',
]

test.for(strange)('"%s" is no duration, size or rate', (text) => {
  expect([parseDuration(text), parseSize(text), parseRate(text)]).toEqual([undefined, undefined, undefined])
})

test('What no double can hold exactly is not read', () => {
  expect(parseDuration('999999999d')).toBeUndefined()
  expect(parseSize('999999999GiB')).toBeUndefined()
})

test('Any text is read as a safe integer or not at all', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,12}(ms|s|m|h|d|B|KB|MB|GB|KiB|MiB|GiB)$/))
  fc.assert(
    fc.property(text, (given) => {
      for (const read of [parseDuration(given), parseSize(given)]) {
        expect(read === undefined || (Number.isSafeInteger(read) && read >= 0)).toBe(true)
      }
    }),
  )
})

test.for([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [1_234, '1.2 s'],
  [59_949, '59.9 s'],
  [59_960, '1 m 0 s'],
  [303_000, '5 m 3 s'],
  [3_599_600, '1 h 0 m'],
  [90_061_000, '25 h 1 m'],
] as const)('%d ms reads "%s"', ([ms, text]) => {
  expect(formatDuration(ms)).toBe(text)
})
