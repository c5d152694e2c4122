/** The part of the schema that says what calls cost, and what the applied configuration makes of it. */
import { z } from 'zod'
import type { Price, TokenRates } from '../model/model.ts'
import { Failure, parseCost, type Cost } from '../std/std.ts'
import { faultAt, show, type ConfigFault } from './faults.ts'
import { valueAt } from './issues.ts'
import { profiles } from './profiles.ts'
import { pattern, whole } from './shapes.ts'

const amountOf = (given: string, finest: bigint): Cost | string => {
  try {
    const cost = parseCost(given)
    return cost.pico % finest === 0n ? cost : 'at most 6 fraction digits'
  } catch (error) {
    return error instanceof Failure ? error.message.slice(error.message.indexOf(': ') + 2) : 'not readable'
  }
}

const amount = (what: string, finest: bigint) =>
  z
    .string()
    .max(100)
    .transform((given, context): Cost => {
      const cost = amountOf(given, finest)
      if (typeof cost !== 'string') return cost
      context.addIssue({ code: 'custom', message: `${what} (${cost})` })
      return z.NEVER
    })

const million = 1_000_000n
/** An amount finer than a coin. */
export const costOf = (what: string) => amount(what, 1n)
const each = costOf('an amount as text like "0.0025 USD"')
const perMillion = amount('an amount per million tokens, as text like "3.00 USD"', million)

const rates = z.strictObject({
  input: perMillion,
  output: perMillion,
  /** The price of `input` when absent. */
  cacheRead: perMillion.optional(),
  cacheWrite: perMillion.optional(),
})

type ParsedRates = z.output<typeof rates>
type SomeRates = { readonly [Key in keyof ParsedRates]?: ParsedRates[Key] | undefined }
interface Amounts {
  readonly call?: Cost | undefined
  readonly weight?: Cost | undefined
  readonly tokens?:
    | (SomeRates & { readonly models: Readonly<Record<string, ParsedRates>>; readonly most: Cost })
    | undefined
}

/** All amounts that stand in it. */
const amountsOf = ({ call, weight, tokens }: Amounts): readonly Cost[] => {
  const { input, output, cacheRead, cacheWrite, most, models = {} } = tokens ?? {}
  const byModel = Object.values(models).flatMap((one) => [one.input, one.output, one.cacheRead, one.cacheWrite])
  return [call, weight, most, input, output, cacheRead, cacheWrite, ...byModel].filter((one) => one !== undefined)
}

/** All that a call costs is added up; one currency. */
export const cost = z
  .strictObject({
    /** Every call that is sent, answered or not. */
    call: each.optional(),
    /** Each unit of a call's weight. */
    weight: each.optional(),
    /** What calls weigh that weigh more than one; the first pattern that fits counts. */
    weights: z
      .record(pattern, whole(1, 1_000_000, 'a weight'))
      .default({})
      .transform((weights) => Object.entries(weights).map(([match, weight]) => ({ match, weight }))),
    /** By the tokens that answers tell, in the places that the upstream's profile names. */
    tokens: z
      .strictObject({
        /** Calls whose answers tell tokens; all when absent. */
        match: z.array(pattern).max(100).default([]),
        ...rates.partial().shape,
        /** Other prices by the model that the answer names; `*` = anything, the first that fits counts. */
        models: z.record(z.string().min(1).max(100), rates).default({}),
        /** What a call counts as whose answer does not tell: no call may cost more by its tokens. */
        most: each,
      })
      .refine(
        ({ input, output, models }) =>
          (input === undefined) === (output === undefined) && (input !== undefined || Object.keys(models).length > 0),
        'input and output together, or models that have both',
      )
      .optional(),
  })
  .refine(
    ({ call, weight, tokens }) => call !== undefined || weight !== undefined || tokens !== undefined,
    'at least one of call, weight and tokens',
  )
  .refine((given) => new Set(amountsOf(given).map(({ currency }) => currency)).size <= 1, 'amounts of one currency')

type Parsed = z.output<typeof cost>

const toRates = ({ input, output, cacheRead, cacheWrite }: ParsedRates): TokenRates => {
  const perToken = (one: Cost): bigint => one.pico / million
  return {
    input: perToken(input),
    output: perToken(output),
    cacheRead: perToken(cacheRead ?? input),
    cacheWrite: perToken(cacheWrite ?? input),
  }
}

export const toPrice = (given: Parsed | undefined): Price | null => {
  if (given === undefined) return null
  const { call, weight, weights, tokens } = given
  const { input, output } = tokens ?? {}
  return {
    currency: amountsOf(given)[0]!.currency,
    call: call?.pico ?? 0n,
    weight: weight?.pico ?? 0n,
    weights,
    tokens:
      tokens === undefined
        ? null
        : {
            match: tokens.match,
            models: Object.entries(tokens.models).map(([model, one]) => ({ model, rates: toRates(one) })),
            rates: input === undefined || output === undefined ? null : toRates({ ...tokens, input, output }),
            most: tokens.most.pico,
          },
  }
}

/** The currencies that stand in a price as its author wrote it. */
export const currenciesOf = (raw: unknown): readonly string[] => {
  if (typeof raw === 'string') return / ([A-Z]{3})$/.exec(raw)?.slice(1) ?? []
  return typeof raw === 'object' && raw !== null ? Object.values(raw).flatMap(currenciesOf) : []
}

/** Nobody knows where an answer tells its tokens, unless the profile says so. */
export const priceFaults = (raw: unknown, upstream: string): readonly ConfigFault[] => {
  const at = (...path: string[]): unknown => valueAt(raw, ['upstreams', upstream, ...path])
  if (at('cost', 'tokens') === undefined) return []
  const profile = at('profile')
  const told = typeof profile === 'string' ? profiles[profile]?.usage : at('profile', 'usage')
  if (told !== undefined) return []
  const telling = Object.values(profiles).filter(({ usage }) => usage !== undefined)
  const known = telling.map(({ name }) => `"${name}"`).join(' or ')
  return [
    faultAt(
      ['upstreams', upstream, 'profile'],
      profile === undefined ? 'nothing' : show(profile),
      `a provider whose answers tell tokens (${known}) or {usage}, because of cost.tokens`,
    ),
  ]
}
