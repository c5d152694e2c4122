/** What the HTTP door answers about costs. Amounts are exact decimal text; their currency stands beside them. */
import type { BudgetStanding, CostTold } from '../wire/wire.ts'

export type { BudgetStanding, CostTold } from '../wire/wire.ts'

/** GET /api/v1/costs: what calls have cost that began since `fromMs`, the beginning of an hour or a day; 0 = ever. */
export interface CostAnswer {
  /** The dearest first; the owner '' = calls of nobody, as those of the gate itself. */
  readonly items: readonly (CostTold & { readonly owner: string })[]
  readonly next: string | null
  readonly by: 'agent' | 'type' | 'upstream'
  readonly fromMs: number
  readonly totals: readonly CostTold[]
  /** Budgets that are nearly or all spent in their windows of now. */
  readonly budgets: readonly BudgetStanding[]
}
/** GET /api/v1/costs/{id} of a task or a settlement. */
export interface CostOfAnswer {
  readonly id: string
  readonly sums: readonly CostTold[]
  /** Calls whose cost nobody knows. */
  readonly unknown: number
}
