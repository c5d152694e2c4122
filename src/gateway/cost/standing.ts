/** What the sitter is told of those who have spent much, or ask the same again and again. */
import { formatCost } from '../../std/std.ts'
import type { BudgetStanding, Standing } from '../../wire/wire.ts'
import type { Repeats } from '../repeats.ts'
import type { Budgets } from './budgets.ts'

/** As many as go into one frame of the link; who is beyond is refused all the same. */
const mostTold = 3_000
const mostRepeats = 1_000

export const standingOf = (budgets: Pick<Budgets, 'standing'>, repeats: Pick<Repeats, 'list'>): Standing => ({
  repeats: repeats.list(mostRepeats),
  budgets: budgets.standing(mostTold).map(({ budget, owner, spent, endsMs }): BudgetStanding => {
    const { name, per, spend } = budget
    return {
      budget: name,
      per,
      owner,
      state: spent >= spend.pico ? 'spent' : 'warned',
      spent: formatCost({ ...spend, pico: spent }),
      most: formatCost(spend),
      endsMs,
    }
  }),
})
