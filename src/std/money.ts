/**
 * Money in minor units as bigint; text only as "12.34 EUR" or amount and currency apart. Never a JSON number: doubles
 * lose cents. Digits are ISO 4217's (amendment 176), not Intl's, which are wrong for 15 currencies. XTS is ISO's code
 * for tests (we give it 2).
 */
import { assert, Failure } from './failure.ts'

export interface Money {
  readonly minor: bigint
  readonly currency: string
}

const zero = 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'
const two =
  'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE ' +
  'CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL ' +
  'HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR ' +
  'MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK ' +
  'SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD ' +
  'XCG XTS YER ZAR ZMW ZWG'
const three = 'BHD IQD JOD KWD LYD OMR TND'
const four = 'CLF UYW'

const listed = (codes: string, digits: number): [string, number][] => codes.split(' ').map((code) => [code, digits])
const digitsOf = new Map([...listed(zero, 0), ...listed(two, 2), ...listed(three, 3), ...listed(four, 4)])

/** Fraction digits of an ISO 4217 code, or undefined when the code is unknown. */
export const currencyDigits = (currency: string): number | undefined => digitsOf.get(currency)

/** SQLite keeps 64-bit integers; one amount stays a thousand times under that so that sums do too. */
const maxMinor = 9_000_000_000_000_000n

/**
 * Reads "12.34" of a currency: ASCII digits, a point, no sign, no exponent, no grouping, no more fraction digits than
 * the currency has. @throws Failure `amount-invalid` that says what is wrong.
 */
export const parseAmount = (amount: string, currency: string): Money => {
  const digits = digitsOf.get(currency)
  const wrong = (why: string): Failure =>
    new Failure('amount-invalid', `amount ${JSON.stringify(amount.slice(0, 40))} ${currency.slice(0, 10)}: ${why}`)
  if (digits === undefined) throw wrong('not an ISO 4217 currency code')
  const match = /^(0|[1-9][0-9]{0,17})(?:\.([0-9]+))?$/.exec(amount)
  if (!match) throw wrong('write it like 12.34, with ASCII digits and a point, without sign, spaces or grouping')
  const fraction = match[2] ?? ''
  if (fraction.length > digits) throw wrong(`${currency} has ${digits} fraction digits`)
  const minor = BigInt(match[1] + fraction.padEnd(digits, '0'))
  if (minor > maxMinor) throw wrong('too large')
  return { minor, currency }
}

/** Reads "12.34 EUR". @throws Failure `amount-invalid`. */
export const parseMoney = (text: string): Money => {
  const space = text.indexOf(' ')
  if (space < 0)
    throw new Failure('amount-invalid', `money ${JSON.stringify(text.slice(0, 40))}: write it like "12.34 EUR"`)
  return parseAmount(text.slice(0, space), text.slice(space + 1))
}

/**
 * "12.34" of minor units, with all digits of the currency. @throws Failure `bug` for a currency that is not in the
 * table.
 */
export const formatAmount = (minor: bigint, currency: string): string => {
  const digits = digitsOf.get(currency)
  // Guessing here would print a payout a hundred times too large.
  assert(digits !== undefined, `nobody knows how many digits ${JSON.stringify(currency)} has`)
  const sign = minor < 0n ? '-' : ''
  const text = (minor < 0n ? -minor : minor).toString().padStart(digits + 1, '0')
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`
}

export const formatMoney = (money: Money): string => `${formatAmount(money.minor, money.currency)} ${money.currency}`
