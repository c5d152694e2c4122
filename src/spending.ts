/**
 * What the sitter does about those who spend: it asks the gate who has, gives them no more work when it is all, and
 * wakes people. Level, not edge: what the gate says now is what holds, whatever was missed; while it does not answer,
 * what it said last holds until the window that it was about is over.
 */
import type { Modes } from './fleet/fleet.ts'
import type { BudgetStanding, GateLink } from './gatelink/gatelink.ts'
import type { Condition } from './record/record.ts'
import { every, type Clock } from './std/std.ts'

export interface SpendingOptions {
  readonly gatelink: Pick<GateLink, 'gateId' | 'standing'>
  readonly modes: Pick<Modes, 'spent'>
  readonly clock: Clock
  readonly onFault: (error: unknown) => void
}
export interface Spending {
  conditions(): readonly Condition[]
  stop(): void
}

/** The gate refuses by itself meanwhile; this is how long somebody without budget may still be given work. */
const lookEveryMs = 1_000

const titleOf = ({ budget, owner, spent, most, endsMs }: BudgetStanding, others: number): string => {
  const more = others === 0 ? '' : ` (and ${others} more)`
  return `budget ${budget}: ${owner}${more} has spent ${spent} of ${most}, until ${new Date(endsMs).toISOString()}`
}

/** One for each budget, however many have spent it. */
export const budgetConditions = (standing: readonly BudgetStanding[]): readonly Condition[] => {
  const byBudget = new Map<string, BudgetStanding[]>()
  for (const one of standing) byBudget.set(one.budget, [...(byBudget.get(one.budget) ?? []), one])
  return [...byBudget].map(([budget, all]) => {
    const spent = all.filter(({ state }) => state === 'spent')
    const told = spent.length > 0 ? spent : all
    const [first] = told
    const { per, owner, endsMs } = first!
    // One agent that has spent its own is contained; what all share stops all of them.
    const severity = spent.length > 0 && per !== 'agent' ? 'critical' : 'warning'
    return {
      key: `budgets/${budget}`,
      severity,
      title: titleOf(first!, told.length - 1).slice(0, 500),
      facts: { budget, per, owner, warned: all.length - spent.length, spent: spent.length, endsMs },
      proposed: `sitter cost; the next window begins by itself; for more: budgets.${budget}.spend, sitter config apply`,
    }
  })
}

export const openSpending = ({ gatelink, modes, clock, onFault }: SpendingOptions): Spending => {
  let standing: readonly BudgetStanding[] = []
  let busy = false
  const look = async (): Promise<void> => {
    if (gatelink.gateId !== null) standing = (await gatelink.standing()).budgets
    else standing = standing.filter(({ endsMs }) => endsMs > clock.wallMs())
    modes.spent(standing.filter(({ state, per }) => state === 'spent' && (per === 'agent' || per === 'type')))
  }
  const stop = every(clock, lookEveryMs, () => {
    if (busy) return
    busy = true
    void look()
      .catch(onFault)
      .finally(() => {
        busy = false
      })
  })
  return { conditions: () => budgetConditions(standing), stop }
}
