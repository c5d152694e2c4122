/** Who may not go now by a provider's word, and who goes at a pace of our own: for people, whatever is configured. */

/** Nobody of these goes before its end. */
export interface Held {
  /** `address`: all who come from here, by any upstream there and any credential. */
  readonly whose: 'credential' | 'address'
  /** Null = of an upstream that has none, or of all. */
  readonly credential: string | null
  /** `asked`: the provider wants a pause; `banned`: it refuses whoever this is. */
  readonly why: 'asked' | 'banned'
  /** Monotonic ms; in the past = the ban's end is still to be tried by one call. */
  readonly untilMs: number
}

/** Found where a provider refuses and says nothing. */
export interface FoundPace {
  readonly credential: string | null
  readonly perSecond: number
}
