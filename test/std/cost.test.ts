import fc from 'fast-check'
import { expect, test } from 'vitest'
import { costAmount, formatCost, parseCost } from '../../src/std/std.ts'

const currency = fc.constantFrom('JPY', 'EUR', 'XTS', 'KWD', 'CLF')

test('Every cost that is written is read back to the same trillionths', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 23n), currency, (pico, code) => {
      expect(parseCost(formatCost({ pico, currency: code }))).toEqual({ pico, currency: code })
    }),
  )
})

test('A cost has the digits of its currency, and as many more as it needs', () => {
  expect(formatCost({ pico: 10_000_000_000n, currency: 'USD' })).toBe('0.01 USD')
  expect(formatCost({ pico: 17_500_000n, currency: 'USD' })).toBe('0.0000175 USD')
  expect(formatCost({ pico: 0n, currency: 'USD' })).toBe('0.00 USD')
  expect(costAmount({ pico: 2_000_000_000_000n, currency: 'JPY' })).toBe('2')
  expect(costAmount({ pico: 2_500_000_000_000n, currency: 'JPY' })).toBe('2.5')
})

test('What is no exact decimal of a known currency is refused', () => {
  const wrong = ['', '1', '1 usd', '1 ABC', '-1 USD', '1e3 USD', '.5 USD', '1. USD', '01 USD', '1,5 USD', '1  USD']
  for (const text of [...wrong, '0.0000000000001 USD', '1000000000000000 USD', '١ USD'])
    expect(() => parseCost(text), text).toThrow(/amount-invalid|cost/)
})

test('Adding a price a million times is the price of a million', () => {
  const token = parseCost('0.000000075 USD').pico
  let sum = 0n
  for (let at = 0; at < 1_000_000; at += 1) sum += token
  expect(formatCost({ pico: sum, currency: 'USD' })).toBe('0.075 USD')
})
