/** An agent's own calls: each names what it is made for. */
import { expect, test, vi } from 'vitest'
import { defineAgent } from '../../src/agent/agent.ts'
import { ends, gate, one, rig } from './harness.ts'

test('A call names the life and the attempt that it is for; after the end of that attempt none is made', async () => {
  const later = gate()
  const late: { error?: unknown } = {}
  const agent = defineAgent({
    tasks: {
      order: async (ctx) => {
        await ctx.fetch('shop', '/orders', { method: 'POST' }).catch(() => {})
        // Nobody waits for it: it goes on when the task has long ended.
        void later.promise
          .then(() => ctx.fetch('shop', '/orders', { method: 'POST' }))
          .catch((error: unknown) => {
            late.error = error
          })
      },
      wait: () => new Promise(() => {}),
    },
  })
  const { run, until, answer, called } = await rig(agent, [one])
  run(one, 'att_1', 'order')
  answer(await until(ends('att_1')), null)
  expect(called).toMatchObject([{ agent: one, epoch: 1, attempt: 'att_1', upstream: 'shop', path: '/orders' }])
  run(one, 'att_2', 'wait')
  later.resolve()
  await vi.waitFor(() => expect(late.error).toMatchObject({ code: 'stale', kind: 'refused' }))
  expect(called).toHaveLength(1)
})
