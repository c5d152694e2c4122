/** What waits for time in every way that a task can, for the run in which the wall clock jumps. */
import { defineAgent, TaskFailure, type Payment } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    now: () => 'done',
    /** The second attempt is the one that counts. */
    flaky: (ctx) => {
      if (ctx.task.number === 1) throw new TaskFailure('not yet', { kind: 'transient', retryAfterMs: 15_000 })
      return 'done'
    },
    endless: (ctx) =>
      new Promise((_resolve, reject) => {
        ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error))
      }),
    settle: async (ctx, payment: Payment) => ctx.settle(payment),
  },
})
