/**
 * Agents and types that are parked because what they may spend is spent. The gate knows it and refuses their calls by
 * itself; here it is what gets them no more work until their window is over. It is derived from what the gate says, and
 * so nothing of it is kept: only its steps are recorded.
 */
import { agentTarget, typeTarget, type ModeTarget } from '../../model/model.ts'
import type { Command } from '../../store/store.ts'
import type { ModeSetting, Spent } from './port.ts'
import { subjectOf } from './target.ts'

export const spentTarget = ({ per, owner }: Pick<Spent, 'per' | 'owner'>): ModeTarget =>
  per === 'agent' ? agentTarget(owner) : typeTarget(owner)

export type Parks = ReadonlyMap<ModeTarget, ModeSetting>

const actor = 'rule:budget'

/** The setting of each that has spent all; of several budgets the one that ends last. Since when is kept. */
export const parksOf = (spent: readonly Spent[], before: Parks, nowMs: number): Parks => {
  const parks = new Map<ModeTarget, ModeSetting>()
  for (const one of [...spent].toSorted((left, right) => left.endsMs - right.endsMs)) {
    const target = spentTarget(one)
    const sinceMs = before.get(target)?.sinceMs ?? nowMs
    const reason = `${one.spent} of ${one.most} spent, budget ${one.budget}`
    const exit = { kind: 'time', at: one.endsMs, what: 'the next window of its budget begins' } as const
    parks.set(target, { target, source: 'budget', mode: 'parked', reason, actor, sinceMs, exit })
  }
  return parks
}

interface Told {
  readonly target: ModeTarget
  readonly isDown: boolean
  readonly why: string
}

/** Whether they say the same, to whoever looks: what was spent beyond all plays no part. */
export const sameParks = (one: Parks, other: Parks): boolean =>
  one.size === other.size && [...one].every(([target, { exit }]) => other.get(target)?.exit.at === exit.at)

/** An event and an audit entry for each that is parked or comes back; none when nobody is. */
export const tellingOf = (before: Parks, after: Parks, wallMs: number): Command[] => {
  const down = [...after].filter(([target]) => !before.has(target))
  const up = [...before].filter(([target]) => !after.has(target))
  const told: Told[] = [
    ...down.map(([target, { reason }]) => ({ target, isDown: true, why: reason })),
    ...up.map(([target]) => ({ target, isDown: false, why: 'its budget is not spent any more' })),
  ]
  if (told.length === 0) return []
  const named = told.map(({ target, isDown, why }) => {
    const [from, to] = isDown ? ['active', 'parked'] : ['parked', 'active']
    const nextMs = after.get(target)?.exit.at ?? null
    return {
      target,
      isDown,
      why,
      name: `mode.stepped-${isDown ? 'down' : 'up'}`,
      facts: { target, from, to, why, nextMs },
    }
  })
  return [
    {
      kind: 'events.add',
      with: {
        wallMs,
        events: named.map(({ target, isDown, why, name, facts }) => ({
          kind: name,
          level: isDown ? ('warn' as const) : ('info' as const),
          subject: subjectOf(target),
          message: `${target}: ${isDown ? 'active → parked' : 'parked → active'}: ${why}`,
          facts,
        })),
      },
    },
    {
      kind: 'audit.append',
      with: {
        wallMs,
        entries: named.map(({ target, name, facts }) => ({
          actor,
          action: name,
          object: target,
          decision: 'done' as const,
          facts,
        })),
      },
    },
  ]
}
