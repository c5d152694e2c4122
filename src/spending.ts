/**
 * What the sitter does about those who spend: it asks the gate who has, gives them no more work when it is all, and
 * wakes people. Level, not edge: what the gate says now is what holds, whatever was missed; while it does not answer,
 * what it said last holds until the window that it was about is over.
 */
import type { Modes } from './fleet/fleet.ts'
import type { BudgetStanding, CostTold, GateLink } from './gatelink/gatelink.ts'
import type { SwarmConfig } from './model/model.ts'
import type { Condition } from './record/record.ts'
import { every, type Clock } from './std/std.ts'

export interface SpendingOptions {
  readonly gatelink: Pick<GateLink, 'gateId' | 'standing' | 'costs'>
  /** What runs now. */
  readonly config: Pick<SwarmConfig, 'upstreams'>
  readonly modes: Pick<Modes, 'spent' | 'repeating'>
  readonly clock: Clock
  readonly onFault: (error: unknown) => void
}
export interface Spending {
  conditions(): readonly Condition[]
  /** What an agent's calls have cost in this hour and the one before, in words; null = not known. */
  costOf(agent: string): string | null
  stop(): void
}

/** A page of agents, and how many are read: whoever is beyond is not known. */
const costsAtOnce = 1_000
const mostCosts = 20_000
const costsEveryMs = 30_000
const hourMs = 3_600_000
/** The gate has not told for so long: nobody knows. */
const staleMs = 300_000

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

interface Costs {
  readonly fromMs: number
  readonly byAgent: ReadonlyMap<string, readonly CostTold[]>
  /** Whoever is not among them has made no call that has a price. */
  readonly isWhole: boolean
}

/** Since an hour ago, from the hour on. */
const readCosts = async (gatelink: SpendingOptions['gatelink'], nowMs: number): Promise<Costs> => {
  const byAgent = new Map<string, CostTold[]>()
  const ask = { by: 'agent', sinceMs: nowMs - hourMs, limit: costsAtOnce } as const
  for (let offset = 0; offset < mostCosts; offset += costsAtOnce) {
    const { fromMs, items, more } = await gatelink.costs({ ...ask, offset })
    for (const { owner, ...cost } of items) byAgent.set(owner, [...(byAgent.get(owner) ?? []), cost])
    if (!more) return { fromMs, byAgent, isWhole: true }
  }
  return { fromMs: nowMs - hourMs, byAgent, isWhole: false }
}

const costText = ({ currency, cost, unknown }: CostTold): string =>
  `${cost} ${currency}${unknown === 0 ? '' : ` and of ${unknown} calls unknown`}`

/** Null: nothing was heard of it, and it may be among those that were not read. */
export const costIn = (costs: Costs, agent: string): string | null => {
  const mine = costs.byAgent.get(agent)
  if (mine === undefined && !costs.isWhole) return null
  const since = `since ${new Date(costs.fromMs).toISOString().slice(11, 16)} UTC`
  return `${mine === undefined ? 'nothing' : mine.map(costText).join(' + ')} ${since}`
}

export const openSpending = ({ gatelink, modes, config, clock, onFault }: SpendingOptions): Spending => {
  let costs: Costs | undefined
  let costsMs = -Infinity
  let standing: readonly BudgetStanding[] = []
  let busy = false
  /** Agents by the thousand: seldom, and only where something has a price. */
  const lookAtCosts = async (): Promise<void> => {
    const isPriced = Object.values(config.upstreams).some(({ price }) => price !== null)
    if (gatelink.gateId === null || !isPriced || clock.monoMs() - costsMs < costsEveryMs) return
    costsMs = clock.monoMs()
    costs = await readCosts(gatelink, clock.wallMs())
  }
  const look = async (): Promise<void> => {
    if (gatelink.gateId !== null) {
      const told = await gatelink.standing()
      standing = told.budgets
      modes.repeating(told.repeats)
    } else standing = standing.filter(({ endsMs }) => endsMs > clock.wallMs())
    await lookAtCosts()
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
  return {
    conditions: () => budgetConditions(standing),
    costOf: (agent) => (costs === undefined || clock.monoMs() - costsMs > staleMs ? null : costIn(costs, agent)),
    stop,
  }
}
