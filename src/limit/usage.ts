/** How much of a limit is used, for people and figures. */
export interface Usage {
  /** Calls, or what they weigh, that count in its window now; of a limit on calls at once those that are under way. */
  readonly used: number
  /** Most that may: the rate less its guard. */
  readonly of: number
  /** Monotonic ms at which one more may go: at most now = now; Infinity = when one under way is answered or ends. */
  readonly freeAtMs: number
}
/** One limit as it holds for one owner. */
export interface Domain extends Usage {
  readonly per: string
  /** A credential, an agent, a type, a mode's target; empty = it has no owner beside its place. */
  readonly owner: string
}
