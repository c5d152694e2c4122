/**
 * Agents and types that are parked because what they may spend is spent. The gate knows it and refuses their calls by
 * itself; here it is what gets them no more work until their window is over. It is derived from what the gate says, and
 * so nothing of it is kept: only its steps are recorded.
 */
import { agentTarget, typeTarget, type ModeTarget } from '../../model/model.ts'
import type { ModeSetting, Spent } from './port.ts'
import type { Step } from './telling.ts'

export const spentTarget = ({ per, owner }: Pick<Spent, 'per' | 'owner'>): ModeTarget =>
  per === 'agent' ? agentTarget(owner) : typeTarget(owner)

export type Parks = ReadonlyMap<ModeTarget, ModeSetting>

export const budgetActor = 'rule:budget'

/** The setting of each that has spent all; of several budgets the one that ends last. Since when is kept. */
export const parksOf = (spent: readonly Spent[], before: Parks, nowMs: number): Parks => {
  const parks = new Map<ModeTarget, ModeSetting>()
  for (const one of [...spent].toSorted((left, right) => left.endsMs - right.endsMs)) {
    const target = spentTarget(one)
    const sinceMs = before.get(target)?.sinceMs ?? nowMs
    const reason = `${one.spent} of ${one.most} spent, budget ${one.budget}`
    const exit = { kind: 'time', at: one.endsMs, what: 'the next window of its budget begins' } as const
    parks.set(target, { target, source: 'budget', mode: 'parked', reason, actor: budgetActor, sinceMs, exit })
  }
  return parks
}

/** Whether they say the same, to whoever looks: what was spent beyond all plays no part. */
export const sameParks = (one: Parks, other: Parks): boolean =>
  one.size === other.size && [...one].every(([target, { exit }]) => other.get(target)?.exit.at === exit.at)

/** Of each that is parked, and of each that comes back. */
export const stepsOf = (before: Parks, after: Parks): readonly Step[] => [
  ...[...after]
    .filter(([target]) => !before.has(target))
    .map(([target, { reason, exit }]) => {
      const facts = { nextMs: exit.at ?? null }
      return { target, from: 'active', to: 'parked', why: reason, isDown: true, facts }
    }),
  ...[...before.keys()]
    .filter((target) => !after.has(target))
    .map((target) => {
      return { target, from: 'parked', to: 'active', why: 'its budget is not spent any more', isDown: false }
    }),
]
