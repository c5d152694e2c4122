/** What answers of a provider mean: the classes, and a provider's own rules as data. */
import type { UsageRule } from './price.ts'

export type AnswerClass = 'succeeded' | 'transient' | 'limited' | 'credential' | 'funds' | 'permanent' | 'unknown'

/** One line of a profile: all that it names must fit. */
export interface ClassRule {
  /** `429`, `5xx`. */
  readonly status?: readonly (number | string)[] | undefined
  /** Values of the profile's code field, as text. */
  readonly code?: readonly string[] | undefined
  /** A part of the body's text, in any case. */
  readonly text?: string | undefined
  /** Only calls that change nothing (`true`), or only those that do (`false`). */
  readonly safe?: boolean | undefined
  readonly class: AnswerClass
}
export interface Profile {
  readonly name: string
  /** Path into a JSON body where the provider writes its code: `code`, `error.code`. */
  readonly codeAt?: readonly string[] | undefined
  readonly rules: readonly ClassRule[]
  /** Limits that are known but not stated in any answer, by the name under which their use is told. */
  readonly limits?: Readonly<Record<string, number>> | undefined
  /** Statuses by which it bans, and whom: all who come from here (`host`), or one credential. */
  readonly bans?: Readonly<Record<string, 'host' | 'credential'>> | undefined
  /** Beginnings of the names of those of its limits that count all who come from here, not one credential. */
  readonly perHost?: readonly string[] | undefined
  /**
   * Limits that count some calls alone, by the beginning of their names: how much a call counts, by pattern; the first
   * that fits. They are of one credential.
   */
  readonly counts?: Readonly<Record<string, Readonly<Record<string, number>>>> | undefined
  /** Calls whose answers list its limits with their most, in the form of Binance's `rateLimits`. */
  readonly limitsIn?: readonly string[] | undefined
  /** Where answers tell the tokens that they used; absent = they do not. */
  readonly usage?: UsageRule | undefined
}

/** Who is tried again by the gate, and how often. */
export interface RetryRule {
  /** Tries of one call beside its first. */
  readonly max: number
  /** Retries that each call earns its upstream, in [0, 1]. */
  readonly share: number
  /** Patterns of calls that change nothing although their method may. */
  readonly safe: readonly string[]
}

/** When a breaker opens. */
export interface BreakerRule {
  /** Share of failures that opens it, in (0, 1]. */
  readonly share: number
  /** Calls that are looked at, and the least that must have been made; at most 1,000. */
  readonly volume: number
  /** The first probe after it opened; later ones after twice as long each. */
  readonly probeMs: number
}
