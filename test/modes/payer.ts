/** Agents that ask for a payment, or call their bank themselves. */
import { defineAgent, type Payment } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    pay: async (ctx, payment: Payment) => ctx.settle(payment),
    call: async (ctx, { method }: { method: string }) => {
      const answer = await ctx.fetch('bank', '/v1/things', { method })
      const text = await answer.text()
      return { status: answer.status, text }
    },
  },
})
