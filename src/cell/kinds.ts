/** All cell kinds as one: each plan goes to the kind it names. */
import type { CellKind, CellPlan } from './port.ts'

export const cellKinds = (kinds: Readonly<Record<CellPlan['kind'], CellKind>>): CellKind => ({
  start: (plan, events) => kinds[plan.kind].start(plan, events),
})
