/** An agent that asks for the payment of its row, and nothing else. */
import { defineAgent, type Payment } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    settle: async (ctx, payload: Payment) => ctx.settle(payload),
  },
})
