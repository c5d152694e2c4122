/** An agent that computes for a while without a pause, and then pays: it cannot hear meanwhile that it is not wanted. */
import { defineAgent, type Payment } from 'swarmsitter/agent'

const spin = (agent: string, spinMs: number): void => {
  const from = process.cpuUsage()
  // The successor has nothing to compute any more.
  for (let usedMs = 0; agent === 'payer/0001' && usedMs < spinMs;) {
    const { user, system } = process.cpuUsage(from)
    usedMs = (user + system) / 1_000
  }
}

export default defineAgent({
  tasks: {
    pay: (ctx, { spinMs, ...payment }: Payment & { readonly spinMs: number }) => {
      spin(ctx.agent, spinMs)
      return ctx.settle(payment)
    },
    order: async (ctx, { spinMs }: { readonly spinMs: number }) => {
      const order = (path: string) => ctx.fetch('shop', path, { method: 'POST', body: ctx.agent })
      // A connection that is there is written to at once.
      await (await order('/looks')).text()
      spin(ctx.agent, spinMs)
      const ordered = order('/orders')
      // Its bytes are written in these ticks; nothing that came in is read before the loop goes round.
      for (let tick = 0; tick < 20; tick += 1)
        await new Promise<void>((resolve) => {
          process.nextTick(resolve)
        })
      spin(ctx.agent, spinMs)
      const { status } = await ordered
      if (status !== 200) throw new Error(`the shop was not asked: ${status}`)
    },
  },
})
