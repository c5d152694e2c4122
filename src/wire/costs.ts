/** What calls have cost, by the gate's own sums. Amounts are decimal text without the currency. */

/** sitter → gate. Answered with `CostsTold`. */
export interface CostsQuestion {
  readonly frame: 'costs'
  readonly id: string
  readonly by: 'agent' | 'type' | 'upstream'
  /** Wall ms; 0 = all that there ever was. */
  readonly sinceMs: number
  readonly limit: number
  readonly offset: number
}
/** sitter → gate: one agent's calls that began from one moment up to another. Answered with `CostTold`s. */
export interface CostOfQuestion {
  readonly frame: 'cost.of'
  readonly id: string
  readonly agent: string
  readonly fromMs: number
  readonly untilMs: number
}
export interface CostTold {
  readonly currency: string
  /** Of calls whose cost is known. */
  readonly cost: string
  /** The same, and the most that the others may have cost: what budgets count. */
  readonly counted: string
  readonly calls: number
  /** Calls whose cost nobody knows. */
  readonly unknown: number
}
export interface CostsTold {
  /** Beginning of the hour or day from which on all is counted. */
  readonly fromMs: number
  readonly totals: readonly CostTold[]
  /** The dearest first; the owner '' = calls of nobody, as those of the gate itself. */
  readonly items: readonly (CostTold & { readonly owner: string })[]
  readonly more: boolean
}
