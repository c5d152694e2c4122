/** An agent that calls `api` until that has enough, and tells what it was told of each call. */
import { defineAgent, type TaskFailure } from 'swarmsitter/agent'

export interface Asking {
  readonly method: 'GET' | 'POST'
}
export interface Told {
  /** In its path, by which the provider knows it. */
  readonly call: string
  /** Unix ms. */
  readonly fromMs: number
  readonly untilMs: number
  /** `200`, or the code and kind of what was thrown. */
  readonly told: string
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

export default defineAgent({
  tasks: {
    ask: async (ctx, { method }: Asking): Promise<readonly Told[]> => {
      const all: Told[] = []
      for (; all.at(-1)?.told !== '200 enough'; await pause(5)) {
        const call = `${method}-${ctx.agent.replace('/', '-')}-${all.length}`
        const fromMs = Date.now()
        const told = await ctx
          .fetch('api', `/v1/${call}`, { method })
          .then(async (answer) => `${answer.status} ${await answer.text()}`)
          .catch(({ code, kind }: TaskFailure) => `${code} ${kind}`)
        all.push({ call, fromMs, untilMs: Date.now(), told })
      }
      return all
    },
  },
})
