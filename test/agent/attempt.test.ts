/** One attempt, from its run to its ending. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { defineAgent, type Context } from '../../src/agent/agent.ts'
import { ends, errorOf, gate, one, rig, two } from './harness.ts'

test('A task runs with its payload, context and config, and its result goes out as done', async () => {
  let seen: Context | undefined
  const agent = defineAgent({
    tasks: {
      add: (ctx, payload: { a: number; b: number }) => {
        seen = ctx
        return payload.a + payload.b
      },
    },
  })
  const { run, until } = await rig(agent, [one])
  run(one, 'att_1', 'add', { a: 2, b: 3 })
  expect(await until(ends('att_1'))).toMatchObject({
    method: 'done',
    params: { agent: one, attempt: 'att_1', result: 5 },
  })
  expect(seen).toMatchObject({
    agent: one,
    config: { town: 'Turin' },
    task: { id: 'tsk_1', type: 'add', number: 1, key: 'k' },
  })
})

test('A task may take its context apart: each part knows its attempt', async () => {
  const agent = defineAgent({
    tasks: {
      pay: async ({ settle, task, log, progress }) => {
        log.info('pays')
        progress('half of it')
        await settle({ reference: task.id, payee: 'p', amount: '1.00', currency: 'XTS' })
      },
      wait: ({ park, signal }) => (signal.aborted ? undefined : park('quota')),
    },
  })
  const { run, sent, until, answer } = await rig(agent, [one])
  run(one, 'att_1', 'pay')
  const asked = await until((frame) => frame.method === 'settle')
  expect(asked.params).toMatchObject({ agent: one, attempt: 'att_1', reference: 'tsk_1' })
  expect(sent.map((frame) => frame.method)).toEqual(['hello', 'log', 'beat', 'settle'])
  answer(asked, { settlement: 'set_1', state: 'settled' })
  answer(await until(ends('att_1')), null)
  run(one, 'att_2', 'wait')
  expect(await until(ends('att_2'))).toMatchObject({ method: 'park', params: { reason: 'quota' } })
})

/* oxlint-disable unicorn/no-thenable -- somebody's own promises */
test('A task may give what becomes its result, or refuses to, and waits for whatever it is', async () => {
  const later = (value: unknown) => ({ then: (resolve: (value: unknown) => void) => resolve(value) })
  const agent = defineAgent({
    tasks: {
      own: () => later(later(7)),
      hostile: () => ({
        get then(): never {
          throw new Error('not to be looked at')
        },
      }),
      nested: () => ({ then: 'no function' }),
      nothing: () => undefined,
    },
  })
  const { run, until, answer } = await rig(agent, [one])
  const said: unknown[] = []
  for (const type of ['own', 'hostile', 'nested', 'nothing']) {
    run(one, `att_${type}`, type)
    const end = await until(ends(`att_${type}`))
    said.push(end.params?.['result'] ?? errorOf(end)?.['message'])
    answer(end, null)
  }
  expect(said).toEqual([7, 'not to be looked at', { then: 'no function' }, undefined])
})

/* oxlint-enable unicorn/no-thenable */

test('The end of a task is told by its host, not in the name of its agent', async () => {
  const context = new AsyncLocalStorage<object>()
  const inside: unknown[] = []
  const agent = defineAgent({
    tasks: {
      now: () => void inside.push(context.getStore()),
      soon: async () => {
        await Promise.resolve()
        inside.push(context.getStore())
      },
    },
  })
  const { run, sent, until, answer } = await rig(agent, [one], context)
  const outside: unknown[] = []
  sent.push = (...frames) => {
    outside.push(context.getStore())
    return Array.prototype.push.apply(sent, frames)
  }
  for (const type of ['now', 'soon']) {
    run(one, `att_${type}`, type)
    answer(await until(ends(`att_${type}`)), null)
  }
  expect(inside.map((store) => store === undefined)).toEqual([false, false])
  expect(outside).toEqual([undefined, undefined])
})

test('A payload reader decides before the task, and what it refuses fails for good', async () => {
  const amounts: number[] = []
  const parse = (payload: unknown): { amount: number } => {
    const amount = (payload as { amount?: unknown }).amount
    if (typeof amount !== 'number') throw new Error('amount must be a number')
    return { amount }
  }
  const schema = {
    '~standard': {
      validate: (value: unknown) => (value === 7 ? { value: 7 } : { issues: [{ message: 'must be seven' }] }),
    },
  }
  const agent = defineAgent({
    tasks: {
      pay: { parse, run: (_ctx, { amount }) => void amounts.push(amount) },
      seven: { parse: schema, run: (_ctx, seven: number) => seven },
    },
  })
  const { run, until, answer } = await rig(agent, [one])
  run(one, 'att_1', 'pay', { amount: 4 })
  answer(await until(ends('att_1')), null)
  await Promise.resolve()
  run(one, 'att_2', 'pay', { amount: 'four' })
  const refused = await until(ends('att_2'))
  expect(errorOf(refused)).toMatchObject({
    kind: 'permanent',
    code: 'invalid',
    message: 'payload: amount must be a number',
  })
  answer(refused, null)
  await Promise.resolve()
  run(one, 'att_3', 'seven', 8)
  expect(errorOf(await until(ends('att_3')))).toMatchObject({ message: 'payload: must be seven' })
  expect(amounts).toEqual([4])
})

test('What a task throws is told with name, stack, code, status and kind', async () => {
  const agent = defineAgent({
    tasks: {
      fail: (ctx) => ctx.fail('not today', { kind: 'transient', code: 'ebusy', status: 429, retryAfterMs: 5_000 }),
      crash: () => {
        throw new RangeError('too far', { cause: new Error('the root') })
      },
      odd: () => {
        // eslint-disable-next-line no-throw-literal -- agents do
        throw 'a string'
      },
    },
  })
  const { run, until } = await rig(agent, [one, two, 'settler/0003'])
  run(one, 'att_1', 'fail')
  run(two, 'att_2', 'crash')
  run('settler/0003', 'att_3', 'odd')
  expect(errorOf(await until(ends('att_1')))).toMatchObject({
    name: 'TaskFailure',
    message: 'not today',
    kind: 'transient',
    code: 'ebusy',
    status: 429,
    retryAfterMs: 5_000,
  })
  const crash = errorOf(await until(ends('att_2')))
  expect(crash).toMatchObject({ name: 'RangeError', message: 'too far' })
  expect(crash['stack']).toMatch(/attempt\.test\.ts[^]*caused by Error: the root/)
  expect(errorOf(await until(ends('att_3')))).toMatchObject({ message: 'string was thrown: a string' })
})

test('A settlement that waits for a person parks the attempt, although the task swallows it', async () => {
  const agent = defineAgent({
    tasks: {
      pay: async (ctx) => {
        try {
          await ctx.settle({ reference: 'r', payee: 'p', amount: '1.00', currency: 'XTS' })
        } catch {
          return 'all is well'
        }
        return 'paid'
      },
    },
  })
  const { run, until, answer } = await rig(agent, [one])
  run(one, 'att_1', 'pay')
  const asked = await until((frame) => frame.method === 'settle')
  expect(asked.params).toEqual({
    agent: one,
    attempt: 'att_1',
    reference: 'r',
    payee: 'p',
    amount: '1.00',
    currency: 'XTS',
  })
  answer(asked, { settlement: 'set_1', state: 'unknown', reason: 'the connection was cut' })
  expect(await until(ends('att_1'))).toMatchObject({ method: 'park', params: { attempt: 'att_1', reason: 'approval' } })
})

test('A payment that the task did not wait for is waited for, and its refusal is no success', async () => {
  const agent = defineAgent({
    tasks: {
      hasty: (ctx) => {
        void ctx.settle({ reference: 'r', payee: 'p', amount: '1.00', currency: 'XTS' }).catch(() => 'ignored')
        return 'paid'
      },
    },
  })
  const { run, until, answer, refuse, sent } = await rig(agent, [one, two])
  run(one, 'att_1', 'hasty')
  const asked = await until((frame) => frame.method === 'settle')
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent.some(ends('att_1'))).toBe(false)
  refuse(asked, { code: 'amount-invalid', kind: 'refused' })
  expect(errorOf(await until(ends('att_1')))).toMatchObject({ code: 'amount-invalid', kind: 'refused' })
  run(two, 'att_2', 'hasty')
  answer(await until((frame) => frame.method === 'settle' && frame.params?.['agent'] === two), {
    settlement: 's',
    state: 'settled',
  })
  expect(await until(ends('att_2'))).toMatchObject({ method: 'done', params: { result: 'paid' } })
})

test('A task that is added is in the record before the attempt ends, whether or not the task waited', async () => {
  const agent = defineAgent({
    tasks: {
      hasty: (ctx) => {
        void ctx.addTask({ type: 'notify', key: 'n-1', payload: { to: 'Ada' }, priority: 3, delayMs: 50 })
        return 'paid'
      },
    },
  })
  const { run, until, answer, sent } = await rig(agent, [one])
  run(one, 'att_1', 'hasty')
  const asked = await until((frame) => frame.method === 'task.add')
  expect(asked.params).toEqual({
    agent: one,
    attempt: 'att_1',
    type: 'notify',
    key: 'n-1',
    payload: { to: 'Ada' },
    priority: 3,
    delayMs: 50,
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent.some(ends('att_1'))).toBe(false)
  answer(asked, { id: 'tsk_1', outcome: 'created' })
  expect(await until(ends('att_1'))).toMatchObject({ method: 'done', params: { result: 'paid' } })
})

test('A payment cannot be asked for in the name of another agent or attempt', async () => {
  const agent = defineAgent({
    tasks: {
      pay: (ctx) => {
        const forged = { reference: 'r', payee: 'p', amount: '1', currency: 'XTS', agent: two, attempt: 'att_9' }
        return ctx.settle(forged)
      },
    },
  })
  const { run, until } = await rig(agent, [one])
  run(one, 'att_1', 'pay')
  expect((await until((frame) => frame.method === 'settle')).params).toMatchObject({ agent: one, attempt: 'att_1' })
})

test('An ending is told again while the sitter cannot take it, and once more never', async () => {
  const { run, until, refuse, answer, pass, sent, ping } = await rig(defineAgent({ tasks: { work: () => 'ok' } }), [
    one,
  ])
  run(one, 'att_1', 'work')
  refuse(await until(ends('att_1')), { code: 'record-closed', kind: 'transient', retryAfterMs: 700 })
  await new Promise((resolve) => setImmediate(resolve))
  pass(699)
  expect(sent.filter(ends('att_1'))).toHaveLength(1)
  pass(1)
  await until((frame) => ends('att_1')(frame) && frame !== sent.find(ends('att_1')))
  expect(ping()?.['open']).toEqual([{ agent: one, attempt: 'att_1' }])
  answer(sent.findLast(ends('att_1'))!, null)
  await new Promise((resolve) => setImmediate(resolve))
  pass(60_000)
  expect(sent.filter(ends('att_1'))).toHaveLength(2)
  expect(ping()?.['open']).toEqual([])
})

test('An attempt that another epoch owns is dropped', async () => {
  const { run, until, refuse, pass, sent, ping } = await rig(defineAgent({ tasks: { work: () => 'ok' } }), [one])
  run(one, 'att_1', 'work')
  refuse(await until(ends('att_1')), { code: 'stale', kind: 'refused' })
  await new Promise((resolve) => setImmediate(resolve))
  pass(60_000)
  expect(sent.filter(ends('att_1'))).toHaveLength(1)
  expect(ping()?.['open']).toEqual([])
})

test('A result that the sitter refuses, or that is too large or no JSON, fails the attempt for good', async () => {
  const agent = defineAgent({
    tasks: { big: () => 'x'.repeat(300_000), strange: () => ({ count: 1n }), fine: () => 1 },
  })
  const { run, until, refuse } = await rig(agent, [one, two, 'settler/0003'])
  run(one, 'att_1', 'big')
  expect(errorOf(await until(ends('att_1')))).toMatchObject({ kind: 'permanent', code: 'too-large' })
  run(two, 'att_2', 'strange')
  expect(errorOf(await until(ends('att_2')))).toMatchObject({
    kind: 'permanent',
    message: 'the result has no JSON form',
  })
  run('settler/0003', 'att_3', 'fine')
  refuse(await until(ends('att_3')), { code: 'invalid', kind: 'refused' }, 'result: no')
  const failed = await until((frame) => frame.method === 'fail' && frame.params?.['attempt'] === 'att_3')
  expect(errorOf(failed)).toMatchObject({ kind: 'permanent', message: 'result: no' })
})

test('Work that cannot be done here fails at once and says why', async () => {
  const { promise } = gate()
  const { run, until, answer } = await rig(defineAgent({ tasks: { wait: () => promise } }), [one])
  run(two, 'att_1', 'wait')
  expect(errorOf(await until(ends('att_1')))).toMatchObject({ kind: 'transient', code: 'not-your-agent' })
  run(one, 'att_2', 'dance')
  const unknown = await until(ends('att_2'))
  expect(errorOf(unknown)).toMatchObject({ kind: 'permanent', code: 'unknown-task-type' })
  answer(unknown, null)
  run(one, 'att_3', 'wait')
  await new Promise((resolve) => setImmediate(resolve))
  run(one, 'att_4', 'wait')
  expect(errorOf(await until(ends('att_4')))).toMatchObject({
    kind: 'transient',
    message: `${one} still has att_3 in hand`,
  })
})

test('The next work is taken in the same breath as the answer to the last ending', async () => {
  const agent = defineAgent({ tasks: { echo: (_ctx, payload: string) => payload } })
  const { run, until, answer, ping } = await rig(agent, [one])
  run(one, 'att_1', 'echo', 'first')
  answer(await until(ends('att_1')), null)
  run(one, 'att_2', 'echo', 'second')
  expect(ping()?.['open']).toEqual([{ agent: one, attempt: 'att_2' }])
  const second = await until(ends('att_2'))
  expect(second).toMatchObject({ method: 'done', params: { result: 'second' } })
  // Even before the answer: it is next.
  run(one, 'att_3', 'echo', 'third')
  expect(ping()?.['open']).toEqual([
    { agent: one, attempt: 'att_2' },
    { agent: one, attempt: 'att_3' },
  ])
  answer(second, null)
  expect(await until(ends('att_3'))).toMatchObject({ method: 'done', params: { result: 'third' } })
})

test('An ending that was decided before the agent broke is told, not replaced', async () => {
  const owners: object[] = []
  const context = new AsyncLocalStorage<object>()
  const agent = defineAgent({ tasks: { work: () => owners.push(context.getStore()!) } })
  const { run, until, refuse, host, pass, sent } = await rig(agent, [one], context)
  run(one, 'att_1', 'work')
  const first = await until(ends('att_1'))
  host.stray(owners[0], new Error('too late'))
  refuse(first, { code: 'record-closed', kind: 'transient' })
  await new Promise((resolve) => setImmediate(resolve))
  pass(500)
  await until((frame) => frame.id !== first.id && ends('att_1')(frame))
  expect(sent.filter(ends('att_1')).map((frame) => frame.method)).toEqual(['done', 'done'])
})

test('A task type that only an object prototype has is unknown', async () => {
  const { run, until } = await rig(defineAgent({ tasks: { work: () => 1 } }), [one])
  run(one, 'att_1', 'constructor')
  expect(errorOf(await until(ends('att_1')))).toMatchObject({ code: 'unknown-task-type' })
})

test('Cancel reaches the signal, and what the task then throws is an interruption', async () => {
  const agent = defineAgent({
    tasks: {
      wait: (ctx) =>
        new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error))),
    },
  })
  const { run, until, host } = await rig(agent, [one])
  run(one, 'att_1', 'wait')
  host.frame({ jsonrpc: '2.0', method: 'cancel', params: { agent: one, attempt: 'att_0', reason: 'another' } })
  host.frame({
    jsonrpc: '2.0',
    method: 'cancel',
    params: { agent: one, attempt: 'att_1', reason: 'the deadline passed' },
  })
  expect(errorOf(await until(ends('att_1')))).toMatchObject({ kind: 'interrupted', message: 'the deadline passed' })
})
