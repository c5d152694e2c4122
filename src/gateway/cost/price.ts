/**
 * What a call costs: a pure function of the price, the call and the tokens that its answer told. Three parts are added
 * up. The flat part and the part by weight are known before it is sent, and owed for whatever was sent, answered or
 * lost. The part by tokens is known when the answer has told them; it is nothing when the answer proves that nothing
 * was done, and unknown when nobody can tell.
 */
import type { AnswerClass, Price, TokenRates } from '../../model/model.ts'
import { formatCost, type Cost } from '../../std/std.ts'
import { parseRoute, routeMatches, type Route } from '../path.ts'
import type { Usage } from './usage.ts'

/** A price with its patterns read once. */
export interface OpenPrice {
  readonly rule: Price
  readonly weights: readonly { readonly route: Route; readonly weight: number }[]
  readonly tokens: readonly Route[]
}
export interface Asked {
  readonly method: string
  readonly segments: readonly string[]
}
/** What a call has cost, and what it counts as: the same, but where it is not known. */
export interface Charge {
  readonly cost: Cost | 'unknown'
  readonly counted: Cost
}

export const openPrice = (rule: Price | null): OpenPrice | null =>
  rule === null
    ? null
    : {
        rule,
        weights: rule.weights.map(({ match, weight }) => ({ route: parseRoute(match), weight })),
        tokens: (rule.tokens?.match ?? []).map(parseRoute),
      }

const fits = (routes: readonly Route[], { method, segments }: Asked): boolean =>
  routes.length === 0 || routes.some((one) => routeMatches(one, method, segments))

/** Whether its answer is to tell tokens. */
export const tellsTokens = ({ rule, tokens }: OpenPrice, asked: Asked): boolean =>
  rule.tokens !== null && fits(tokens, asked)

const known = ({ rule, weights }: OpenPrice, { method, segments }: Asked): bigint => {
  if (rule.weight === 0n) return rule.call
  const weight = weights.find(({ route }) => routeMatches(route, method, segments))?.weight ?? 1
  return rule.call + rule.weight * BigInt(weight)
}

const nameFits = (pattern: string, name: string): boolean => {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === name
  if (!name.startsWith(first)) return false
  const last = rest.pop()!
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

const ratesFor = (tokens: NonNullable<Price['tokens']>, { model }: Usage): TokenRates | null =>
  tokens.models.find((one) => model !== null && nameFits(one.model, model))?.rates ?? tokens.rates

const byTokens = (rates: TokenRates, usage: Usage): bigint =>
  rates.input * BigInt(usage.input) +
  rates.output * BigInt(usage.output) +
  rates.cacheRead * BigInt(usage.cacheRead) +
  rates.cacheWrite * BigInt(usage.cacheWrite)

/** The most that a call can cost, before anything is known of its answer. */
export const mostOf = (price: OpenPrice, asked: Asked): Cost => {
  const { currency, tokens } = price.rule
  return { pico: known(price, asked) + (tellsTokens(price, asked) ? tokens!.most : 0n), currency }
}

/** These answers say that nothing was done. */
const notDone: ReadonlySet<AnswerClass> = new Set(['transient', 'limited', 'credential', 'funds', 'permanent'])

/** Of a call that was sent. `ended` is null where no whole answer came. */
export const chargeOf = (
  price: OpenPrice,
  asked: Asked,
  ended: { readonly answered: boolean; readonly class: AnswerClass | null; readonly usage: Usage | undefined },
): Charge => {
  const { currency, tokens } = price.rule
  const base = known(price, asked)
  const exactly = (pico: bigint): Charge => ({ cost: { pico, currency }, counted: { pico, currency } })
  if (!tellsTokens(price, asked)) return exactly(base)
  const rates = ended.answered && ended.usage !== undefined ? ratesFor(tokens!, ended.usage) : null
  if (rates !== null) return exactly(base + byTokens(rates, ended.usage!))
  if (ended.answered && ended.usage === undefined && ended.class !== null && notDone.has(ended.class))
    return exactly(base)
  return { cost: 'unknown', counted: mostOf(price, asked) }
}

export const costText = (cost: Charge['cost']): string => (cost === 'unknown' ? cost : formatCost(cost))
