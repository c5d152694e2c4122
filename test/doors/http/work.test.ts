/** Work whole, through the HTTP door: what tasks come after, dead letters, other payloads, shared state, locks. */
import { expect, test } from 'vitest'
import { json, openHouse, type TestHouse } from './house.ts'

const add = async (house: TestHouse, body: object): Promise<string> => {
  const answer = await house.post('/api/v1/tasks', { type: 'settle', ...body })
  expect(answer.status).toBe(201)
  return String((await json(answer))['id'])
}
const kill = (house: TestHouse, ...ids: string[]): Promise<unknown> =>
  house.store.transact(
    ids.map(
      (task) =>
        ({
          kind: 'task.move',
          with: { task, event: { event: 'give-up', reason: 'permanent' }, orNothing: false, wallMs: 1 },
        }) as const,
    ),
  )
const get = async (house: TestHouse, path: string): Promise<Record<string, unknown>> =>
  json(await house.call(`/api/v1/${path}`))

test('a task after another is blocked, says what it waits for, and is cancelled with it', async () => {
  await using house = await openHouse()
  const first = await add(house, { payload: 1 })
  const second = await add(house, { payload: 2, after: [first], deadlineMs: 60_000, priority: 9 })
  expect(await get(house, `tasks/${second}`)).toMatchObject({
    state: { state: 'blocked' },
    priority: 9,
    after: [first],
    comesAfter: [{ task: first, ended: null }],
  })
  await house.post(`/api/v1/tasks/${first}/cancel`, {})
  expect(await get(house, `tasks/${second}`)).toMatchObject({
    state: { state: 'cancelled' },
    error: { name: 'DependencyFailed' },
  })
  const missing = await house.post('/api/v1/tasks', { type: 'settle', after: ['tsk_none'] })
  expect([missing.status, (await json(missing))['code']]).toEqual([422, 'unknown-dependency'])
  expect((await house.post('/api/v1/tasks', { type: 'settle', onFailed: 'maybe' })).status).toBe(422)
})

test('dead letters are selected by filter, counted by a dry run, redriven at a rate, and discarded', async () => {
  await using house = await openHouse()
  const ids = [await add(house, { payload: 1 }), await add(house, { payload: 2 }), await add(house, { payload: 3 })]
  await kill(house, ...ids)
  const redrive = async (body: object): Promise<Record<string, unknown>> =>
    json(await house.post('/api/v1/dead-letters:redrive', body))
  expect((await house.post('/api/v1/dead-letters:redrive', {})).status).toBe(422)
  expect(await redrive({ type: 'settle', dryRun: true })).toMatchObject({ count: 3, ids, dryRun: true })
  expect(await redrive({ type: 'other' })).toMatchObject({ count: 0 })
  expect(await redrive({ limit: 2, ratePerSecond: 0.1 })).toMatchObject({ count: 2, more: true })
  expect(await get(house, `tasks/${ids[1]}`)).toMatchObject({
    state: { state: 'waiting' },
    life: 2,
    deadLetters: [{ life: 1, closed: 'redriven', actor: 'token:operator' }],
  })
  expect((await get(house, 'dead-letters?error=none'))['items']).toEqual([])
  expect((await get(house, 'dead-letters'))['items']).toMatchObject([{ id: ids[2] }])
  const discarded = await json(await house.post(`/api/v1/dead-letters/${ids[2]}/discard`, {}))
  expect(discarded).toMatchObject({ state: { state: 'cancelled' } })
  expect((await house.post(`/api/v1/dead-letters/${ids[2]}/discard`, {})).status).toBe(404)
})

test('a dead task is tried again with another payload; the old one stays to be seen, and a stale version is refused', async () => {
  await using house = await openHouse()
  const id = await add(house, { payload: { to: 'x' } })
  await kill(house, id)
  const path = `/api/v1/tasks/${id}/retry`
  expect((await house.post(path, { payload: { to: 'ann' }, version: 3 })).status).toBe(409)
  expect(await json(await house.post(path, { payload: { to: 'ann' }, version: 1 }))).toMatchObject({
    state: { state: 'ready' },
    payload: '{"to":"ann"}',
    version: 2,
  })
  expect((await get(house, `tasks/${id}`))['payloads']).toMatchObject([{ version: 1, payload: '{"to":"x"}' }])
})

test('shared values are written over the version that was read, and locks have one holder', async () => {
  await using house = await openHouse()
  expect(await get(house, 'state/cursor')).toEqual({ name: 'cursor', value: null, version: 0 })
  expect(await json(await house.post('/api/v1/state/cursor', { value: [1], version: 0 }))).toMatchObject({ version: 1 })
  const stale = await house.post('/api/v1/state/cursor', { value: [2], version: 0 })
  expect([stale.status, await json(stale)]).toMatchObject([409, { code: 'version-conflict', facts: { version: 1 } }])
  expect((await get(house, 'state'))['items']).toMatchObject([{ name: 'cursor', value: [1], version: 1 }])
  const take = (holder: string): Promise<Response> => house.post('/api/v1/locks/file/take', { holder, leaseMs: 60_000 })
  const held = await json(await take('a'))
  expect(held).toMatchObject({ name: 'file', fence: 1 })
  const other = await take('b')
  expect([other.status, (await json(other))['code']]).toEqual([409, 'lock-held'])
  expect((await get(house, 'locks'))['items']).toMatchObject([{ name: 'file', held: true, holder: 'token:operator/a' }])
  const free = { holder: 'a', fence: held['fence'] }
  expect(await json(await house.post('/api/v1/locks/file/free', free))).toEqual({ freed: true })
  expect(await json(await take('b'))).toMatchObject({ fence: 2 })
  expect((await house.post('/api/v1/locks/file/renew', { ...free, leaseMs: 1_000 })).status).toBe(409)
})
