/** What the gate sees of those who spend or repeat themselves, as far as somebody should do something about it. */

/** sitter → gate. Answered with `Standing`. */
export interface StandingAsk {
  readonly frame: 'standing'
  readonly id: string
}
/** A budget of which so much is spent in the window of now that people are warned, or all. */
export interface BudgetStanding {
  readonly budget: string
  readonly per: 'agent' | 'type' | 'upstream' | 'swarm'
  /** `settler/0042`, `settler`, `northbank` or `swarm`. */
  readonly owner: string
  readonly state: 'warned' | 'spent'
  /** Money text. */
  readonly spent: string
  readonly most: string
  /** Wall ms at which its next window begins. */
  readonly endsMs: number
}
/** An agent that makes the same call again and again. */
export interface RepeatStanding {
  readonly agent: string
  /** `POST /llm/v1/messages` */
  readonly call: string
  /** Since `sinceMs`, and within the window of the rule, about. */
  readonly times: number
  readonly lately: number
  readonly sinceMs: number
}
export interface Standing {
  /** The most spent first. */
  readonly budgets: readonly BudgetStanding[]
  readonly repeats: readonly RepeatStanding[]
}
