/** Counts in its own memory, which only a machine that goes on where it was can do; says when it began. */
import { defineAgent } from '../../src/agent/agent.ts'

let count = 0

export default defineAgent<{ hold: { readonly ms: number } }>({
  tasks: {
    hold: async (_, { ms }) => {
      const startedMs = Date.now()
      count += 1
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
      return { startedMs, count }
    },
  },
})
