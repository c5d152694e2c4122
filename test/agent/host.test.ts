/** The host: who is listed, who is broken, the drain, and what it lets out. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { agentHost, defineAgent } from '../../src/agent/agent.ts'
import { ends, errorOf, gate, one, rig, two } from './harness.ts'

test('An agent is listed once its start has ended, and takes the work that came before', async () => {
  const { promise, resolve } = gate()
  const agent = defineAgent({ tasks: { work: () => 'ok' }, start: () => promise })
  const { run, until, ping } = await rig(agent, [one])
  run(one, 'att_1', 'work')
  expect(ping()).toMatchObject({ agents: [], open: [{ agent: one, attempt: 'att_1' }] })
  resolve()
  expect(await until(ends('att_1'))).toMatchObject({ method: 'done' })
  expect(ping()).toMatchObject({ agents: [one] })
})

test('An agent whose start throws is broken: told, not listed, its work failed, the others untouched', async () => {
  const agent = defineAgent({
    tasks: { work: () => 'ok' },
    start: (ctx) => {
      if (ctx.agent === one) throw new Error('no luck')
    },
  })
  const { until, run, ping } = await rig(agent, [one, two])
  run(two, 'att_2', 'work')
  expect((await until((frame) => frame.method === 'agent.broken')).params).toMatchObject({
    agent: one,
    error: { message: 'no luck' },
  })
  expect(await until(ends('att_2'))).toMatchObject({ method: 'done' })
  expect(ping()).toMatchObject({ agents: [two] })
})

test('A stray error breaks the agent that it belongs to, until it is seated again with a higher epoch', async () => {
  const { promise } = gate()
  const owners: object[] = []
  const context = new AsyncLocalStorage<object>()
  const agent = defineAgent({
    tasks: {
      wait: () => {
        owners.push(context.getStore()!)
        return promise
      },
      work: () => 'ok',
    },
  })
  const { until, run, ping, host, sent } = await rig(agent, [one, two], context)
  run(one, 'att_1', 'wait')
  await new Promise((resolve) => setImmediate(resolve))
  expect(host.stray(undefined, new Error('whose?'))).toBe(false)
  expect(host.stray(owners[0], new Error('astray'))).toBe(true)
  expect(errorOf(await until(ends('att_1')))).toMatchObject({ message: 'astray' })
  expect(sent.filter((frame) => frame.method === 'agent.broken').map((frame) => frame.params?.['agent'])).toEqual([one])
  expect(ping()).toMatchObject({ agents: [two], open: [] })
  host.frame({
    jsonrpc: '2.0',
    method: 'seat',
    params: { seats: [{ agent: one, epoch: 2, mode: 'active', config: {} }] },
  })
  expect(ping()).toMatchObject({ agents: [one, two] })
  // The old self goes on failing; the new one has nothing to do with it.
  host.stray(owners[0], new Error('again'))
  expect(ping()).toMatchObject({ agents: [one, two] })
  run(one, 'att_2', 'work')
  expect(await until(ends('att_2'))).toMatchObject({ method: 'done' })
})

test('An agent that is unseated gives up its attempt, runs stop and is heard no more', async () => {
  const stopped: string[] = []
  const agent = defineAgent({
    tasks: {
      wait: (ctx) =>
        new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error))),
    },
    stop: (ctx) => void stopped.push(ctx.agent),
  })
  const { run, host, ping, sent } = await rig(agent, [one, two])
  run(one, 'att_1', 'wait')
  host.frame({ jsonrpc: '2.0', method: 'unseat', params: { agents: [one] } })
  await new Promise((resolve) => setImmediate(resolve))
  expect(stopped).toEqual([one])
  expect(ping()).toMatchObject({ agents: [two], open: [] })
  expect(sent.some(ends('att_1'))).toBe(false)
})

test('A drain takes no new work, waits for what is in hand, and answers what it had to leave', async () => {
  const { promise, resolve } = gate<string>()
  const agent = defineAgent({ tasks: { wait: () => promise, hang: () => new Promise(() => {}) } })
  const { run, host, until, answer, pass } = await rig(agent, [one, two])
  run(one, 'att_1', 'wait')
  run(two, 'att_2', 'hang')
  host.frame({ jsonrpc: '2.0', id: 'd', method: 'drain', params: { withinMs: 5_000 } })
  run(one, 'att_3', 'wait')
  expect(errorOf(await until(ends('att_3')))).toMatchObject({ kind: 'transient', message: 'this cell is draining' })
  resolve('done')
  answer(await until(ends('att_1')), null)
  await new Promise((done) => setImmediate(done))
  pass(5_000)
  await new Promise((done) => setImmediate(done))
  pass(1_000)
  expect((await until((frame) => (frame.id as unknown) === 'd')).result).toEqual({
    open: [{ agent: two, attempt: 'att_2' }],
  })
})

test('A chatty agent spends its own share of lines, and what was dropped is told', async () => {
  const agent = defineAgent({
    tasks: {
      chat: (ctx) => {
        for (let line = 0; line < 5_000; line += 1) ctx.log.info(`line ${line}`, { line })
      },
      say: (ctx) => ctx.log.info('still here'),
    },
  })
  const { run, until, pass, answer, sent } = await rig(agent, [one, two])
  run(one, 'att_1', 'chat')
  answer(await until(ends('att_1')), null)
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent.filter((frame) => frame.method === 'log')).toHaveLength(100)
  run(two, 'att_2', 'say')
  await until((frame) => frame.method === 'log' && frame.params?.['agent'] === two)
  pass(1_000)
  run(one, 'att_3', 'say')
  await until(ends('att_3'))
  expect(
    sent.some((frame) => frame.params?.['message'] === '4900 log lines or beats were dropped: too many at once'),
  ).toBe(true)
})

test('A log line with fields that have no JSON form goes out without them', async () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const { run, until } = await rig(defineAgent({ tasks: { say: (ctx) => ctx.log.warn('odd', circular) } }), [one])
  run(one, 'att_1', 'say')
  expect((await until((frame) => frame.method === 'log')).params).toMatchObject({
    message: 'odd',
    fields: { cut: 'fields without a JSON form' },
  })
})

test('A module that exports no agent is refused by name', () => {
  expect(() => agentHost({ default: { tasks: {} } }, '/agents/x.ts', {} as never)).toThrow(
    '/agents/x.ts must export defineAgent({...}) as default; its default export is object',
  )
})
