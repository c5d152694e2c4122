/** The agent of drills: it pays what it is told to, and does the harm that a drill asks for, once. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineAgent, type Context, type Payment } from '../agent/agent.ts'

export type Harm = 'loop' | 'leak' | 'silence'

const kept: unknown[] = []
const harms: Readonly<Record<Harm, () => unknown>> = {
  loop: () => {
    for (;;) {
      /* nobody else gets the loop any more */
    }
  },
  leak: async () => {
    for (;;) {
      kept.push(Array.from({ length: 100_000 }, (_, index) => ({ index })))
      await wait(5)
    }
  },
  // It hears of its end and does not care.
  silence: () => new Promise(() => {}),
}

export default defineAgent({
  tasks: {
    pay: (ctx, payment: Payment) => ctx.settle(payment),
    harm: async (ctx: Context, { harm }: { readonly harm: Harm }) => {
      const done = await ctx.state.get(ctx.task.id)
      if (done.version > 0) return { harmed: true }
      await ctx.state.put(ctx.task.id, harm, 0)
      return harms[harm]()
    },
  },
})
