/**
 * Orders twice, and computes without a pause before the second time and after it has been sent: it cannot hear that it
 * is not wanted any more, nor take back what it asked for.
 */
import { writeFileSync } from 'node:fs'
import { defineAgent } from 'swarmsitter/agent'

const spin = (spinMs: number): void => {
  const from = process.cpuUsage()
  for (let usedMs = 0; usedMs < spinMs;) {
    const { user, system } = process.cpuUsage(from)
    usedMs = (user + system) / 1_000
  }
}

export default defineAgent({
  tasks: {
    order: async (ctx, { spinMs, mark }: { readonly spinMs: number; readonly mark?: string }) => {
      const order = (what: string) => ctx.fetch('bank', `/v1/notes?${what}`, { method: 'POST', body: ctx.agent })
      await (await order('first')).text()
      // From here on it reads nothing more.
      if (mark !== undefined) writeFileSync(mark, '')
      spin(spinMs)
      const second = order('second')
      // Its bytes are written in these ticks; nothing that came in is read before the loop goes round.
      for (let tick = 0; tick < 20; tick += 1)
        await new Promise<void>((resolve) => {
          process.nextTick(resolve)
        })
      spin(spinMs)
      const { status } = await second
      return { status }
    },
  },
})
