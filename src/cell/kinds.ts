/** All cell kinds as one: each plan goes to the kind it names. */
import { failure } from '../std/std.ts'
import type { CellKind, CellPlan } from './port.ts'

export const cellKinds = (kinds: Readonly<Record<CellPlan['kind'], CellKind>>): CellKind => ({
  start: (plan, events) => kinds[plan.kind].start(plan, events),
  standBy: (plan, events) => {
    const { standBy } = kinds[plan.kind]
    if (standBy === undefined) throw failure('bug', `nothing stands by for a ${plan.kind} cell`)
    return standBy(plan, events)
  },
})
