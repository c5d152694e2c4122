/** An agent that adds tasks, counts in a shared value, holds a lock, or waits to be told to stop. */
import { defineAgent } from '../../src/agent/agent.ts'

export default defineAgent({
  tasks: {
    count: async (ctx, payload: { times: number }) => {
      const lock = await ctx.lock('counter', 30_000)
      for (let time = 0; time < payload.times; time += 1) {
        const { value, version } = await ctx.state.get('count')
        await ctx.state.put('count', ((value as number | null) ?? 0) + 1, version)
      }
      await lock.renew()
      return { fence: lock.fence, freed: await lock.free(), again: await lock.free() }
    },
    spread: async (ctx) => {
      const first = await ctx.addTask({ type: 'count', payload: { times: 2 }, key: 'first' })
      const second = await ctx.addTask({ type: 'count', payload: { times: 3 }, key: 'second', after: [first.id] })
      return [first.id, second.id]
    },
    /** Two letters a try; the one to x is refused until somebody has mended that. */
    letters: async (ctx, payload: { to: readonly string[] }) => {
      const mended = (await ctx.state.get('mended')).value === true
      const done: string[] = []
      for (const to of payload.to) {
        const rest = { to: payload.to.slice(done.length) }
        if (done.length === 2) ctx.fail('two a time', { kind: 'transient', partial: { done, rest } })
        if (to === 'x' && !mended) ctx.fail('no x', { kind: 'permanent', partial: { done, rest } })
        const { value, version } = await ctx.state.get('sent')
        await ctx.state.put('sent', [...((value as string[] | null) ?? []), to], version)
        done.push(to)
      }
      return done
    },
    hang: (ctx) =>
      new Promise((_resolve, reject) => {
        ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error))
      }),
    /** Past whatever the host does about an agent that calls process.exit. */
    crash: () => (process as unknown as { reallyExit(code: number): void }).reallyExit(3),
  },
})
