import * as dinero from 'dinero.js/bigint/currencies'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { currencyDigits, Failure, formatAmount, formatMoney, parseAmount, parseMoney } from '../../src/std/std.ts'

const currencies = ['JPY', 'EUR', 'XTS', 'KWD', 'CLF'] as const
const currency = fc.constantFrom(...currencies)
const largest = 9_000_000_000_000_000n

const refusal = (amount: string, of = 'EUR'): Failure => {
  try {
    parseAmount(amount, of)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error(`${JSON.stringify(amount)} ${of} was taken`)
}

test('Every amount that is written is read back to the same minor units', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, largest), currency, (minor, code) => {
      expect(parseAmount(formatAmount(minor, code), code)).toEqual({ minor, currency: code })
      expect(parseMoney(formatMoney({ minor, currency: code }))).toEqual({ minor, currency: code })
    }),
  )
})

test('A debt is written with one sign, before the digits', () => {
  fc.assert(
    fc.property(fc.bigInt(1n, largest), currency, (minor, code) => {
      expect(formatAmount(-minor, code)).toBe(`-${formatAmount(minor, code)}`)
    }),
  )
  expect(formatAmount(-5n, 'EUR')).toBe('-0.05')
})

test('Reading never rounds: what is taken is the decimal number that was written', () => {
  const whole = fc.bigInt(0n, 9_999_999_999n)
  fc.assert(
    fc.property(whole, fc.stringMatching(/^[0-9]{0,6}$/), currency, (major, fraction, code) => {
      const digits = currencyDigits(code)!
      const amount = fraction === '' ? `${major}` : `${major}.${fraction}`
      if (fraction.length > digits) expect(refusal(amount, code).code).toBe('amount-invalid')
      else expect(parseAmount(amount, code).minor).toBe(BigInt(`${major}${fraction.padEnd(digits, '0')}`))
    }),
  )
})

test('Near the bound, where doubles begin to lose digits, every digit counts', () => {
  expect(parseAmount('8999999999999999', 'JPY').minor).toBe(8_999_999_999_999_999n)
  expect(parseAmount('89999999999999.99', 'EUR').minor).toBe(8_999_999_999_999_999n)
  expect(refusal('9007199254740993', 'JPY').message).toContain('too large')
})

test.for([
  ['0.30000000000000004', 'EUR'],
  ['1e999', 'EUR'],
  ['1e2', 'EUR'],
  ['-0', 'EUR'],
  ['-1', 'EUR'],
  ['+1', 'EUR'],
  ['NaN', 'EUR'],
  ['Infinity', 'EUR'],
  ['1,00', 'EUR'],
  ['1 000.00', 'EUR'],
  ['1_000', 'EUR'],
  ['\uff11\uff10\uff10', 'EUR'],
  ['٣', 'EUR'],
  ['123456789012345678901234567890', 'EUR'],
  ['0.5', 'JPY'],
  ['1.00', 'JPY'],
  ['1.001', 'EUR'],
  ['1.', 'EUR'],
  ['.5', 'EUR'],
  ['', 'EUR'],
  [' 1', 'EUR'],
  ['1\n', 'EUR'],
  ['0x10', 'EUR'],
  ['00', 'EUR'],
  ['01.00', 'EUR'],
  ['1.0\u200b0', 'EUR'],
  ['1', 'eur'],
  ['1', 'EURO'],
  ['1', 'ABC'],
  ['1', ''],
  ['1', '__proto__'],
  ['1', 'constructor'],
  ['90000000000000.01', 'EUR'],
] as const)('The amount "%s" %s is refused, with a reason', ([amount, code]) => {
  const refused = refusal(amount, code)
  expect(refused.code).toBe('amount-invalid')
  expect(refused.kind).toBe('refused')
  expect(refused.message.length).toBeGreaterThan(20)
})

test('A refusal of a huge text stays short', () => {
  expect(refusal('9'.repeat(1_000_000)).message.length).toBeLessThan(200)
  expect(refusal('1', 'X'.repeat(1_000_000)).message.length).toBeLessThan(200)
})

test.for(['12.34', '12.34EUR', 'EUR 12.34', '12.34  EUR', '12.34 EUR ', '12.34 EUR x', ''])(
  '"%s" is no money',
  (text) => {
    expect(() => parseMoney(text)).toThrow(expect.objectContaining({ code: 'amount-invalid' }))
  },
)

test('An amount of a currency that nobody knows is not printed with a guess', () => {
  expect(() => formatAmount(100n, 'ABC')).toThrow(expect.objectContaining({ code: 'bug' }))
})

test('The fraction digits agree with an independent table', () => {
  // Both are divided into fifths; ISO 4217 gives them two digits, the other table one.
  const inFifths = ['MGA', 'MRU']
  // A unit of account that was added to ISO 4217 after the amendment that our table follows.
  const later = ['XAD']
  const differing = Object.values(dinero)
    .filter(({ code, exponent }) => currencyDigits(code) !== Number(exponent))
    .map(({ code }) => code)
  expect(differing.toSorted()).toEqual([...inFifths, ...later])
})
