/**
 * What the texts of a payment may be made of: one rule for every door, a file of payments and an agent's `settle`
 * alike. A reference says which payment it is, so two of them must never look the same and be two; a payee is what a
 * person reads before the money goes. References are compared byte by byte: `A-1`, `a-1` and `A-1.` are three, as they
 * are for providers, and everybody can see that they are.
 */

const reference = /^[\x21-\x7e]([\x20-\x7e]{0,118}[\x21-\x7e])?$/
/** Controls, bidi overrides, zero-width characters and lone surrogates make two payees look like one. */
const deceiving = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
const longest = { payee: 200, memo: 500 } as const

/** What is wrong with a reference; undefined when nothing is. */
export const referenceFault = (text: string): string | undefined => {
  if (text === '') return 'is missing; without it a second run could pay twice'
  return reference.test(text) ? undefined : 'must be 1 to 120 printable ASCII characters without space at its ends'
}

const textFault = (text: string, most: number): string | undefined => {
  if (text.length > most) return `has ${text.length} characters, ${most} are allowed`
  if (deceiving.test(text)) return 'has control, invisible or direction-changing characters'
  if (text !== text.normalize('NFC')) return 'is not in Unicode normal form C'
  return text === text.trim() ? undefined : 'begins or ends with a space'
}

/** The same of a payee. */
export const payeeFault = (text: string): string | undefined =>
  text === '' ? 'is missing' : textFault(text, longest.payee)

/** The same of a memo; none is fine. */
export const memoFault = (text: string): string | undefined => textFault(text, longest.memo)
