/**
 * What calls of an upstream cost, as data. Amounts are trillionths of the currency's unit (std's Cost), so that a price
 * per million tokens is an exact price per token.
 */

/** Trillionths for each token. */
export interface TokenRates {
  readonly input: bigint
  readonly output: bigint
  /** Input that was read from, and written to, the provider's cache of prompts. */
  readonly cacheRead: bigint
  readonly cacheWrite: bigint
}
/** Added up: a call may have a flat part, one by its weight, and one by the tokens that its answer tells. */
export interface Price {
  readonly currency: string
  /** Every call that was sent, answered or not. */
  readonly call: bigint
  /** Each unit of a call's weight, 1 where no pattern fits; the first that fits counts. */
  readonly weight: bigint
  readonly weights: readonly { readonly match: string; readonly weight: number }[]
  readonly tokens: {
    /** Patterns of the calls whose answers tell tokens; empty = all. */
    readonly match: readonly string[]
    /** By the model that the answer names, `*` = anything; the first that fits counts, then `rates`. */
    readonly models: readonly { readonly model: string; readonly rates: TokenRates }[]
    /** Null: what no entry of `models` fits has an unknown cost. */
    readonly rates: TokenRates | null
    /** What a call counts as whose tokens are not known: at least what any call can cost by its tokens. */
    readonly most: bigint
  } | null
}

/**
 * Where a provider's answers tell what they used: paths into the JSON of a body, or of each `data:` line of a stream
 * of events. Of several figures at one path the greatest counts, because streams tell them as they grow.
 */
export interface UsageRule {
  readonly model: readonly string[]
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly cacheRead: readonly string[]
  readonly cacheWrite: readonly string[]
  /** Cached input is a part of `input`, and not beside it. */
  readonly cachedWithin: boolean
  /** An answer without output is whole: embeddings have none. */
  readonly outputMayLack: boolean
}
