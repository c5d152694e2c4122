/** Dependencies, time, order, dead letters and shared things, through the work room and the real record. */
import { expect, test } from 'vitest'
import { asks, done, fail, settle, stateOf, world, type Given, type World } from './world.ts'

const freed = (at: World, one: Given): void => {
  at.idle.push(one.agent)
  at.work.free('settler')
}
const submitOne = async (at: World, ask: Parameters<World['work']['submit']>[0][number]): Promise<string> =>
  (await at.work.submit([ask]))[0]!.id
const stateNow = async (at: World, id: string): Promise<string> => (await at.store.read.task(id))!.state.state

test('work that comes after other work is given out when the last of it has succeeded, without another nudge', async () => {
  const at = await world(3)
  const first = await submitOne(at, { type: 'settle', payload: 1 })
  const second = await submitOne(at, { type: 'settle', payload: 2 })
  const last = await submitOne(at, { type: 'settle', payload: 3, after: [first, second] })
  await at.clock.move(0)
  expect(at.given.map((one) => one.task)).toEqual([first, second])
  await done(at, at.given[0]!)
  await at.clock.move(0)
  expect(at.given).toHaveLength(2)
  await done(at, at.given[1]!)
  await at.clock.move(0)
  expect(at.given[2]?.task).toBe(last)
})

test('a dependant of a task that dies is cancelled with it, and one whose delay is not over waits for it', async () => {
  const at = await world(2)
  const first = await submitOne(at, { type: 'settle', payload: 1 })
  const lost = await submitOne(at, { type: 'settle', payload: 2, after: [first] })
  const anyway = await submitOne(at, { type: 'settle', payload: 3, after: [first], onFailed: 'run', delayMs: 60_000 })
  await at.clock.move(0)
  await fail(at, at.given[0]!, { kind: 'permanent' })
  await at.clock.move(0)
  expect([await stateNow(at, lost), await stateNow(at, anyway)]).toEqual(['cancelled', 'waiting'])
  await at.clock.move(60_000)
  expect(at.given[1]?.task).toBe(anyway)
})

test('a task cannot come after one that is not there', async () => {
  const at = await world(1)
  await expect(at.work.submit([{ type: 'settle', payload: 1, after: ['tsk_none'] }])).rejects.toMatchObject({
    code: 'unknown-dependency',
  })
  await at.work.submit(asks(1))
  await at.clock.move(0)
  expect(at.given).toHaveLength(1)
})

test('the same key with the same payload but after something else is another body', async () => {
  const at = await world(0)
  const first = await submitOne(at, { type: 'settle', payload: 1 })
  const ask = { type: 'settle', payload: 2, key: 'k' }
  const one = await submitOne(at, { ...ask, after: [first] })
  expect(await submitOne(at, { ...ask, after: [first] })).toBe(one)
  await expect(at.work.submit([ask])).rejects.toMatchObject({ code: 'task-exists-with-different' })
})

test('a deadline of its own buries a task that no agent ever had in hand, with reason and event', async () => {
  const at = await world(0)
  const id = await submitOne(at, { type: 'settle', payload: 1, deadlineMs: 5_000, delayMs: 1_000 })
  await at.clock.move(5_500)
  expect(await stateNow(at, id)).toBe('ready')
  await at.clock.move(2_000)
  expect(await at.store.read.deadLettersOf(id)).toMatchObject([{ reason: 'deadline', attempts: 0 }])
  expect((await at.store.read.events({ limit: 9, after: null, subject: id })).items).toMatchObject([
    { kind: 'task.died', facts: { reason: 'deadline' } },
  ])
  at.idle.push('settler/0001')
  await at.work.move(id, 'redrive', 'operator:ann')
  await at.clock.move(4_000)
  expect(at.given).toMatchObject([{ task: id, deadline: expect.any(Number) as number }])
})

test('two floods of one agent type: each task type gets every other start', async () => {
  const at = await world(1, settle, { ...settle, name: 'notify' })
  await at.work.submit(Array.from({ length: 40 }, (_, index) => ({ type: 'settle', payload: index })))
  await at.work.submit(Array.from({ length: 10 }, (_, index) => ({ type: 'notify', payload: index })))
  await at.clock.move(0)
  for (let index = 0; index < 21; index += 1) {
    const one = at.given[index]!
    await done(at, one)
    freed(at, one)
    await at.clock.move(0)
  }
  const types = at.given.slice(1, 21).map((one) => one.type)
  expect(types.filter((type) => type === 'notify')).toHaveLength(10)
  expect(types.every((type, index) => index === 0 || type !== types[index - 1])).toBe(true)
})

test('two floods of two priorities: the higher gets nine starts of ten, the lower the tenth once it waits a minute', async () => {
  const at = await world(1)
  await at.work.submit(Array.from({ length: 20 }, () => ({ type: 'settle', payload: 'low', priority: 0 })))
  await at.work.submit(Array.from({ length: 100 }, () => ({ type: 'settle', payload: 'high', priority: 9 })))
  const run = async (count: number): Promise<unknown[]> => {
    const from = at.given.length
    for (let index = 0; index < count; index += 1) {
      const one = at.given.at(-1)!
      await done(at, one)
      freed(at, one)
      await at.clock.move(0)
    }
    return at.given.slice(from).map((one) => one.payload)
  }
  await at.clock.move(0)
  expect((await run(30)).filter((one) => one === 'low').length).toBeLessThanOrEqual(1)
  await at.clock.move(61_000)
  const later = await run(50)
  expect(later.filter((one) => one === 'low')).toHaveLength(5)
})

test('a task that kills its cell twice while nothing else is in hand is dead as poison', async () => {
  const at = await world(3)
  await at.work.submit(asks(1))
  for (let round = 0; round < 2; round += 1) {
    await at.clock.move(11_000)
    const { attempt, agent } = at.given[round]!
    at.work.lost([{ attempt, agent, cause: 'cell died', collateral: false, alone: true }])
    await at.clock.move(0)
  }
  const id = at.given[0]!.task
  expect(at.given).toHaveLength(2)
  expect((await at.store.read.attempts(id)).map((one) => one.outcome)).toEqual(['transient', 'poison'])
  expect(await at.store.read.deadLettersOf(id)).toMatchObject([{ reason: 'poison' }])
})

test('retries beyond the budget of their type are put off, none is lost, and an event tells', async () => {
  const at = await world(30, { ...settle, retry: { max: 9, baseMs: 1, capMs: 1, budget: 0.1 } })
  await at.work.submit(asks(30))
  await at.clock.move(0)
  const first = [...at.given]
  await Promise.all(first.map((one) => fail(at, one)))
  for (const one of first) freed(at, one)
  await at.clock.move(100)
  expect(at.given).toHaveLength(32)
  expect((await at.store.read.events({ limit: 9, after: null, subject: 'settle' })).items).toMatchObject([
    { kind: 'retries.put-off' },
  ])
  await at.clock.move(160_000)
  expect(new Set(at.given.slice(30).map((one) => one.task)).size).toBe(30)
})

test('dead letters of a filter are redriven at a rate that holds in the record; a dry run changes nothing', async () => {
  const at = await world(5)
  await at.work.submit(asks(5))
  await at.clock.move(0)
  for (const one of at.given.slice()) {
    await fail(at, one, {
      kind: 'permanent',
      message: one.number === 1 && one === at.given[0] ? 'other' : 'no such payee',
    })
    at.idle.push(one.agent)
  }
  const selection = { filter: { error: 'PAYEE' }, ratePerSecond: 2, dryRun: true }
  expect(await at.work.redrive(selection, 'operator:ann')).toMatchObject({ dryRun: true, count: 4, more: false })
  expect((await at.store.read.deadLetters({}, { limit: 9, after: null })).items).toHaveLength(5)
  const answer = await at.work.redrive({ ...selection, dryRun: false }, 'operator:ann')
  expect([answer.count, answer.lastMs! - at.clock.wallMs()]).toEqual([4, 1_500])
  await at.clock.move(0)
  expect(at.given).toHaveLength(6)
  await at.clock.move(1_000)
  expect(at.given).toHaveLength(8)
  await at.clock.move(600)
  expect(at.given).toHaveLength(9)
  expect((await at.store.read.deadLetters({}, { limit: 9, after: null })).items).toHaveLength(1)
})

test('another payload and the redrive are one commit, and the attempt gets the new one', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  const [one] = at.given
  await expect(at.work.edit(one!.task, { payload: 2 }, 'operator:ann')).rejects.toMatchObject({ code: 'conflict' })
  await fail(at, one!, { kind: 'permanent' })
  at.idle.push(one!.agent)
  const stale = at.work.edit(one!.task, { payload: 2, expectVersion: 7, followedBy: 'redrive' }, 'operator:ann')
  await expect(stale).rejects.toMatchObject({ code: 'conflict' })
  expect(await stateOf(at, one!)).toBe('dead')
  await at.work.edit(one!.task, { payload: { index: 2 }, followedBy: 'redrive' }, 'operator:ann')
  await at.clock.move(0)
  expect(at.given[1]).toMatchObject({ task: one!.task, payload: { index: 2 }, number: 1 })
})

test('a thousand parked tasks cost a row each and no agent', async () => {
  const at = await world(1)
  await at.work.submit(asks(1_000))
  await at.clock.move(0)
  for (let index = 0; index < 1_000; index += 1) {
    const one = at.given[index]!
    const params = { agent: one.agent, attempt: one.attempt, reason: 'approval' as const }
    await at.work.request({ method: 'park', params }, one.agent)
    freed(at, one)
    await at.clock.move(0)
  }
  const [id] = (await at.work.submit([{ type: 'settle', payload: 'after them' }])).map((one) => one.id)
  await at.clock.move(0)
  expect([at.given.at(-1)?.task, await at.work.summary()]).toMatchObject([
    id,
    { byType: { settle: { waiting: 1_000, running: 1 } } },
  ])
})

test('a cancel by whatever hand reaches the attempt that runs', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  const [one] = at.given
  await at.store.transact([
    { kind: 'task.move', with: { task: one!.task, event: { event: 'cancel' }, orNothing: false, wallMs: 1 } },
  ])
  expect(at.cancelled).toEqual([one!.attempt])
  await expect(done(at, one!)).rejects.toMatchObject({ code: 'stale' })
})

test('an attempt adds tasks, shares values and holds locks as long as it has its task, and not after', async () => {
  const at = await world(2)
  await at.work.submit(asks(2))
  await at.clock.move(0)
  const [one, two] = at.given
  const of = (given: Given): { agent: string; attempt: string } => ({ agent: given.agent, attempt: given.attempt })
  const add = { method: 'task.add', params: { ...of(one!), type: 'settle', key: 'more', payload: 1 } } as const
  const added = await at.work.request(add, one!.agent)
  expect(added).toMatchObject({ outcome: 'created' })
  expect(await at.work.request(add, one!.agent)).toEqual({ ...(added as object), outcome: 'exists' })
  const put = (given: Given, version: number): Promise<unknown> =>
    at.work.request(
      { method: 'state.put', params: { ...of(given), name: 'cursor', value: { page: version }, version } },
      given.agent,
    )
  expect(await put(one!, 0)).toMatchObject({ version: 1 })
  await expect(put(two!, 0)).rejects.toMatchObject({ code: 'version-conflict', facts: { version: 1 } })
  expect(await at.work.state('cursor')).toEqual({ name: 'cursor', value: { page: 0 }, version: 1 })
  const lock = (given: Given): Promise<unknown> =>
    at.work.request({ method: 'lock.take', params: { ...of(given), name: 'file', leaseMs: 5_000 } }, given.agent)
  expect(await lock(one!)).toEqual({ name: 'file', fence: 1, leaseMs: 5_000 })
  await expect(lock(two!)).rejects.toMatchObject({ code: 'lock-held', retryAfterMs: 5_000 })
  await at.clock.move(5_000)
  expect(await lock(two!)).toMatchObject({ fence: 2 })
  await done(at, one!)
  await expect(lock(one!)).rejects.toMatchObject({ code: 'stale' })
})
