/** The villain of hazards.ts as an agent of a pool, and a neighbour that only lives there. */
import { defineAgent } from 'swarmsitter/agent'
import { attack, began, type Targets } from './hazards.ts'

export default defineAgent({
  tasks: {
    hazard: async (_ctx, ask: { readonly hazard: string; readonly targets: Targets }) => {
      process.stderr.write(`${began}\n`)
      return attack(ask)
    },
  },
})
