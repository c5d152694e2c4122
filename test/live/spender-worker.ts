/** Agents that spend: one that goes on whatever it is told, and one that calls at a steady pace and counts its answers. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineAgent } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    burn: async (ctx, { ms }: { ms: number }) => {
      const end = performance.now() + ms
      const codes: Record<string, number> = {}
      while (performance.now() < end) {
        let code = 'gone'
        try {
          const answer = await ctx.fetch('api', '/v1/burn', { method: 'POST' })
          // An answer that is not read holds its connection.
          const text = await answer.text()
          code = answer.ok ? 'ok' : (JSON.parse(text) as { code: string }).code
        } catch (error) {
          // It does not end its task, as it should: it asks again.
          code = (error as { code?: string }).code ?? 'gone'
        }
        codes[code] = (codes[code] ?? 0) + 1
        await wait(code === 'ok' ? 60 : 20)
      }
      return codes
    },
    steady: async (ctx, { ms }: { ms: number }) => {
      const end = performance.now() + ms
      const codes: Record<string, number> = {}
      let longestMs = 0
      while (performance.now() < end) {
        const begun = performance.now()
        let code = 'gone'
        try {
          const answer = await ctx.fetch('api', '/v1/steady', { method: 'POST' })
          await answer.text()
          code = answer.ok ? 'ok' : String(answer.status)
        } catch {
          // The same for everybody while the gate is away.
        }
        codes[code] = (codes[code] ?? 0) + 1
        if (code === 'ok') longestMs = Math.max(longestMs, performance.now() - begun)
        await wait(50)
      }
      return { codes, longestMs }
    },
  },
})
