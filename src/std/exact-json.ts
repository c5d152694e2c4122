/**
 * JSON in which no number is changed by reading it. `JSON.parse` rounds integers beyond 2^53 and makes infinities of
 * what is too large, both without a word (9007199254740993 becomes …992); where that may be an amount or an id, its
 * sender is told to write it as text.
 */
import { Failure } from './failure.ts'

/** Sixteen digits in a row are the fewest that can be rounded, three digits of an exponent the fewest that overflow. */
const mayLose = /[0-9]{16}|[eE]\+?[0-9]{3}/
const integer = /^-?[0-9]+$/

const isExact = (value: number, source: string): boolean =>
  Number.isFinite(value) && (!integer.test(source) || Number.isSafeInteger(value))

/**
 * @throws Failure `invalid` naming the number that would be changed; SyntaxError when it is no JSON. `keep` tells which
 *   keys of objects are dropped.
 */
export const parseExactly = (text: string, keep: (key: string) => boolean = () => true): unknown =>
  JSON.parse(text, (key, value: unknown, context?: { readonly source?: string }) => {
    if (!keep(key)) return undefined
    const source = context?.source
    if (typeof value !== 'number' || source === undefined || isExact(value, source)) return value
    throw new Failure('invalid', `the number ${source.slice(0, 40)} would be rounded: write it as text`)
  })

/** Whether a text must be read with `parseExactly`: a reviver makes parsing several times slower. */
export const mayLoseDigits = (text: string): boolean => mayLose.test(text)
