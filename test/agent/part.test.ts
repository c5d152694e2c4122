/** Tasks that did part of their work, as they are told. */
import { expect, test } from 'vitest'
import { defineAgent, type Context } from '../../src/agent/agent.ts'
import { ends, errorOf, one, rig } from './harness.ts'

test('What is left of a task is told with its failure; without a whole rest it fails for good', async () => {
  const failing = (partial: unknown) => (ctx: Context) =>
    ctx.fail('two refused', { kind: 'transient', partial: partial as { rest: unknown } })
  const ring: { self?: unknown } = {}
  ring.self = ring
  const wrong = { none: { done: [1] }, ring: { rest: ring }, large: { rest: 'x'.repeat(140_000) } }
  const agent = defineAgent({
    tasks: {
      part: failing({ done: [1], rest: { to: [2, 3] } }),
      ...Object.fromEntries(Object.entries(wrong).map(([name, partial]) => [name, failing(partial)])),
    },
  })
  const { run, until, answer } = await rig(agent, [one])
  const told = async (type: string): Promise<Record<string, unknown>> => {
    run(one, `att_${type}`, type)
    const end = await until(ends(`att_${type}`))
    answer(end, null)
    await Promise.resolve()
    return errorOf(end)
  }
  expect(await told('part')).toMatchObject({ kind: 'transient', partial: { done: [1], rest: { to: [2, 3] } } })
  for (const [type, why] of [
    ['none', /does not say what is left/],
    ['ring', /has no JSON form/],
    ['large', /more than 131072 bytes/],
  ] as const) {
    const error = await told(type)
    expect(error).toMatchObject({
      name: 'PartialRefused',
      kind: 'permanent',
      message: expect.stringMatching(why) as string,
    })
    expect(error['partial']).toBeUndefined()
  }
})
