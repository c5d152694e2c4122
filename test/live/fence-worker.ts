/** An agent that computes for a while without a pause, and then pays: it cannot hear meanwhile that it is not wanted. */
import { defineAgent, type Payment } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    pay: (ctx, { spinMs, ...payment }: Payment & { readonly spinMs: number }) => {
      const from = process.cpuUsage()
      // The successor has nothing to compute any more.
      for (let usedMs = 0; ctx.agent === 'payer/0001' && usedMs < spinMs;) {
        const { user, system } = process.cpuUsage(from)
        usedMs = (user + system) / 1_000
      }
      return ctx.settle(payment)
    },
  },
})
