/**
 * What calls cost: exact like money, but finer than any coin, for a token of a language model costs millionths of a
 * cent. Trillionths of the currency's unit as bigint; text like "0.0000175 USD", never a JSON number.
 */
import { assert, Failure } from './failure.ts'
import { currencyDigits } from './money.ts'

export interface Cost {
  /** Trillionths of the unit: 1_000_000_000_000n = "1.00 USD". Never negative. */
  readonly pico: bigint
  readonly currency: string
}

const fractionDigits = 12
/** Far beyond any bill; a sum of a million of these is still a number that people can read. */
const mostWhole = 12

/**
 * Reads "0.0000175 USD": ASCII digits, a point, at most 12 fraction digits, an ISO 4217 currency.
 * @throws Failure `amount-invalid` that says what is wrong.
 */
export const parseCost = (text: string): Cost => {
  const wrong = (why: string): Failure =>
    new Failure('amount-invalid', `cost ${JSON.stringify(text.slice(0, 60))}: ${why}`)
  const match = /^(0|[1-9][0-9]*)(?:\.([0-9]+))? ([A-Z]{3})$/.exec(text)
  if (!match) throw wrong('write it like "0.0025 USD", with ASCII digits and a point')
  const [, whole = '', fraction = '', currency = ''] = match
  if (currencyDigits(currency) === undefined) throw wrong('not an ISO 4217 currency code')
  if (whole.length > mostWhole) throw wrong('too large')
  if (fraction.length > fractionDigits) throw wrong(`at most ${fractionDigits} fraction digits`)
  return { pico: BigInt(whole + fraction.padEnd(fractionDigits, '0')), currency }
}

/**
 * "0.0000175": all digits of the currency, and as many more as it has. @throws Failure `bug` for an unknown currency.
 */
export const costAmount = ({ pico, currency }: Cost): string => {
  const digits = currencyDigits(currency)
  assert(digits !== undefined && pico >= 0n, `nobody knows how to write ${pico} of ${JSON.stringify(currency)}`)
  const text = pico.toString().padStart(fractionDigits + 1, '0')
  const fraction = text.slice(-fractionDigits)
  const kept = Math.max(digits, fraction.replace(/0+$/, '').length)
  const whole = text.slice(0, -fractionDigits)
  return kept === 0 ? whole : `${whole}.${fraction.slice(0, kept)}`
}

/** The last text of each currency. Calls of one price follow each other, and each has its cost written three times. */
const lastTexts = new Map<string, { readonly pico: bigint; readonly text: string }>()

export const formatCost = (cost: Cost): string => {
  const last = lastTexts.get(cost.currency)
  if (last?.pico === cost.pico) return last.text
  const text = `${costAmount(cost)} ${cost.currency}`
  lastTexts.set(cost.currency, { pico: cost.pico, text })
  return text
}
