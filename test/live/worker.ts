/** Agents that wait as long as they are told, tell who runs them, and call the upstream `api` as often as they are told. */
import { defineAgent } from 'swarmsitter/agent'

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

export default defineAgent({
  tasks: {
    wait: async (ctx, { ms }: { ms: number }) => {
      await sleep(ms)
      return { agent: ctx.agent, pid: process.pid, config: ctx.config }
    },
    call: async (ctx, { path, times }: { path: string; times: number }) => {
      const answers = await Promise.all(Array.from({ length: times }, () => ctx.fetch('api', path)))
      return answers.map(({ status }) => status)
    },
  },
})
