/** Agents that keep and log all that an upstream says. */
import { defineAgent } from 'swarmsitter/agent'

const kept: string[] = []

export default defineAgent({
  tasks: {
    call: async (ctx, { upstream, path, times }: { upstream: string; path: string; times: number }) => {
      const answers = await Promise.all(Array.from({ length: times }, () => ctx.fetch(upstream, path)))
      for (const answer of answers) {
        const text = `${answer.status} ${JSON.stringify(answer.headers)} ${await answer.text()}`
        kept.push(text)
        ctx.log.debug(text.slice(0, 4_000))
        if (answer.status !== 200) throw new Error(text.slice(0, 4_000))
      }
      return kept.slice(-times)
    },
    talk: async (ctx, { upstream }: { upstream: string }) => {
      const socket = await ctx.socket(`/${upstream}/v1/${upstream}/socket`)
      const heard: string[] = []
      await socket.send('tell me')
      try {
        for await (const message of socket) heard.push(String(message))
      } catch (error) {
        heard.push(String(error))
      }
      heard.push(JSON.stringify(await socket.closed))
      kept.push(...heard)
      ctx.log.debug(heard.join('\n').slice(0, 4_000))
      return heard
    },
  },
})
