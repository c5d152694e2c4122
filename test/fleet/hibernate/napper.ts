/** Counts its tasks in a shared value, so that its count outlives its process; says which process it was. */
import { defineAgent } from '../../../src/agent/agent.ts'

export default defineAgent<{ count: { readonly name: string; readonly ms?: number } }>({
  tasks: {
    count: async (ctx, { name, ms = 0 }) => {
      const { value, version } = await ctx.state.get(name)
      const count = ((value as number | null) ?? 0) + 1
      await ctx.state.put(name, count, version)
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
      return { count, pid: process.pid }
    },
  },
})
