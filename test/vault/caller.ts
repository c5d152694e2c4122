/**
 * Agents that call as often as they are told, each time with a path of its own that names them. A call that a killed
 * gate cut is made anew; any other end but 200 fails the task for good, so that it is seen.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { defineAgent, TaskFailure, type Context } from 'swarmsitter/agent'

const call = async (ctx: Context): Promise<void> => {
  for (;;) {
    ctx.signal.throwIfAborted()
    try {
      const answer = await ctx.fetch('bank', `/v1/work/${ctx.agent.replace('/', '-')}/${randomUUID()}`)
      if (answer.status === 200) return
      throw new TaskFailure(`answered ${answer.status}: ${await answer.text()}`, { kind: 'permanent' })
    } catch (error) {
      if ((error as { code?: string }).code !== 'gate-lost') throw error
      await wait(100, undefined, { signal: ctx.signal })
    }
  }
}

export default defineAgent({
  tasks: {
    call: async (ctx, { times, pauseMs }: { times: number; pauseMs: number }) => {
      for (let count = 0; count < times; count += 1) {
        await call(ctx)
        await wait(pauseMs, undefined, { signal: ctx.signal })
      }
      return times
    },
  },
})
