/** The work room over the real record, with agents that the test plays. */
import { expect, test } from 'vitest'
import { asks, done, fail, settle, stateOf, world } from './world.ts'

test('more tasks than agents: each agent gets one, the rest follow as agents become free, each task once', async () => {
  const at = await world(3)
  await at.work.submit(asks(10))
  await at.clock.move(0)
  for (let index = 0; index < 10; index += 1) {
    const one = at.given[index]!
    await done(at, one)
    at.idle.push(one.agent)
    at.work.free('settler')
    await at.clock.move(0)
  }
  expect(new Set(at.given.map((one) => one.task)).size).toBe(10)
  expect(at.given).toHaveLength(10)
  expect(await at.work.summary()).toMatchObject({ byType: { settle: { succeeded: 10 } }, idle: true })
})

test('a failed attempt is retried after its backoff, then dies with error and stack kept, and redrive begins anew', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  for (let number = 1; number <= 3; number += 1) {
    await at.clock.move(11_000)
    expect(at.given).toHaveLength(number)
    expect(at.given[number - 1]!.number).toBe(number)
    await fail(at, at.given[number - 1]!)
    at.idle.push('settler/0001')
  }
  const task = (await at.store.read.task(at.given[0]!.task))!
  expect(task).toMatchObject({
    state: { state: 'dead' },
    attempts: 3,
    error: { stack: 'E: no\n  at x' },
    payload: '{"index":0}',
  })
  expect((await at.store.read.attempts(task.id)).map((one) => one.outcome)).toEqual([
    'transient',
    'transient',
    'transient',
  ])
  expect((await at.store.read.events({ limit: 9, after: null, subject: task.id })).items[0]!.kind).toBe('task.died')
  await at.work.move(task.id, 'redrive', 'operator:ann')
  await at.clock.move(0)
  expect(at.given[3]).toMatchObject({ task: task.id, number: 1 })
})

test('a permanent failure is not tried again', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  await fail(at, at.given[0]!, { kind: 'permanent' })
  expect(await stateOf(at, at.given[0]!)).toBe('dead')
})

test('a lost attempt goes to another agent without being charged; its late result is refused as stale', async () => {
  const at = await world(2)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  const [first] = at.given
  at.work.lost([{ attempt: first!.attempt, agent: first!.agent, cause: 'cell killed', collateral: true }])
  await at.clock.move(0)
  expect(at.given[1]).toMatchObject({ task: first!.task, number: 1, agent: 'settler/0002' })
  await expect(done(at, first!)).rejects.toMatchObject({ code: 'stale' })
  await done(at, at.given[1]!)
  await expect(done(at, at.given[1]!)).resolves.toBeNull()
  expect(await at.store.read.task(first!.task)).toMatchObject({ state: { state: 'succeeded' }, attempts: 1 })
})

test('an attempt of another agent cannot be ended', async () => {
  const at = await world(2)
  await at.work.submit(asks(2))
  await at.clock.move(0)
  await expect(done(at, { ...at.given[0]!, agent: at.given[1]!.agent })).rejects.toMatchObject({
    code: 'not-your-agent',
  })
  expect(await stateOf(at, at.given[0]!)).toBe('running')
})

test('parking costs no attempt, and the task is given out again when its time has come', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  const [one] = at.given
  const until = at.clock.wallMs() + 60_000
  await at.work.request(
    { method: 'park', params: { agent: one!.agent, attempt: one!.attempt, reason: 'rate', until } },
    one!.agent,
  )
  at.idle.push(one!.agent)
  expect(await at.store.read.task(one!.task)).toMatchObject({
    state: { state: 'waiting', reason: 'rate' },
    attempts: 0,
  })
  await at.clock.move(59_000)
  expect(at.given).toHaveLength(1)
  await at.clock.move(2_000)
  expect(at.given[1]).toMatchObject({ number: 1 })
})

test('a task that parks until now, or until a time that is past, is given out ten times a second at most', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  for (let parks = 1; parks <= 3; parks += 1) {
    const one = at.given.at(-1)!
    const params = {
      agent: one.agent,
      attempt: one.attempt,
      reason: 'rate' as const,
      until: at.clock.wallMs() - 1 + (parks % 2),
    }
    await at.work.request({ method: 'park', params }, one.agent)
    at.idle.push(one.agent)
    at.work.free('settler')
    await at.clock.move(99)
    expect(at.given).toHaveLength(parks)
    await at.clock.move(1)
    expect(at.given).toHaveLength(parks + 1)
  }
})

test('cancelling reaches the running attempt, and its result is stale', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  await at.work.move(at.given[0]!.task, 'cancel', 'operator:ann')
  expect(at.cancelled).toEqual([at.given[0]!.attempt])
  await expect(done(at, at.given[0]!)).rejects.toMatchObject({ code: 'stale' })
  expect(await stateOf(at, at.given[0]!)).toBe('cancelled')
  await expect(at.work.move(at.given[0]!.task, 'cancel', 'operator:ann')).rejects.toMatchObject({ code: 'conflict' })
})

test('past its deadline a running task is dead, its agent told to stop', async () => {
  const at = await world(1, { ...settle, deadlineMs: 5_000 })
  await at.work.submit(asks(1))
  await at.clock.move(4_000)
  expect(await stateOf(at, at.given[0]!)).toBe('running')
  await at.clock.move(2_500)
  expect([await stateOf(at, at.given[0]!), at.cancelled]).toEqual(['dead', [at.given[0]!.attempt]])
})

test.each([
  [{ type: 'nope', payload: 1 }, 'unknown-task-type'],
  [{ type: '__proto__', payload: 1 }, 'unknown-task-type'],
  [{ type: 'settle', payload: 1, key: ' x' }, 'invalid'],
  [{ type: 'settle', payload: 1, priority: 10 }, 'invalid'],
  [{ type: 'settle', payload: 'x'.repeat(300_000) }, 'too-large'],
])('the task %# is refused as %s, and nothing of its list is taken', async (ask, code) => {
  const at = await world(1)
  await expect(at.work.submit([{ type: 'settle', payload: 1 }, ask])).rejects.toMatchObject({ code })
  expect(await at.store.read.taskCounts()).toEqual([])
})

test('one key with another payload refuses the whole list and frees the agents that were held for it', async () => {
  const at = await world(2)
  await at.work.submit(asks(1))
  await expect(at.work.submit([{ type: 'settle', payload: 'other', key: 'k0' }])).rejects.toMatchObject({
    code: 'task-exists-with-different',
  })
  await at.work.submit(asks(1, { key: 'again' }))
  await at.clock.move(0)
  expect(at.given).toHaveLength(2)
})
