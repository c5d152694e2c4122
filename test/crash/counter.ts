/** An agent that works for half a second and answers what it was given: 12 of them finish some 24 tasks a second. */
import { defineAgent } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    count: async (ctx, payload: { readonly number: number }) => {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, 500)
        ctx.signal.addEventListener('abort', () => {
          clearTimeout(timer)
          reject(ctx.signal.reason as Error)
        })
      })
      return { number: payload.number }
    },
  },
})
