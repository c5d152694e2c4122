/** The task that every contestant runs: nothing, and it counts itself. */
import { defineAgent } from '../../src/agent/agent.ts'

let runs = 0

export default defineAgent<{ nothing: { readonly n: number } }>({
  tasks: {
    nothing: (_, { n }) => {
      runs += 1
      return { n, pid: process.pid, runs }
    },
  },
})
