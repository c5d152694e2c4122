/** Tells when it began, on the clock that all processes of a machine share, after holding its agent for a while. */
import { defineAgent } from '../../src/agent/agent.ts'

export default defineAgent<{ hold: { readonly ms: number }; cold: { readonly ms: number } }>({
  tasks: {
    hold: async (_, { ms }) => {
      const startedMs = performance.timeOrigin + performance.now()
      await new Promise((resolve) => setTimeout(resolve, ms))
      return { startedMs }
    },
    cold: () => ({ startedMs: performance.timeOrigin + performance.now() }),
  },
})
