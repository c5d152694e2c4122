import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { Failure } from '../../../src/std/std.ts'
import { json, openHouse } from './house.ts'

const path = '/api/v1/agents/settler/1/restart'
const headers = { 'idempotency-key': 'k-1' }
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

test('a write that began and was never answered is not done again: its outcome is unknown', async () => {
  await using house = await openHouse()
  const wallMs = house.rooms.clock.wallMs()
  const requestHash = hashOf(`POST ${path}\n`)
  // What a sitter leaves that dies between the deed and the memory of its answer.
  await house.store.transact([
    { kind: 'request.begin', with: { key: 'operator k-1', requestHash, untilMs: wallMs + 60_000, wallMs } },
  ])
  const answer = await house.call(path, { method: 'POST', headers })
  expect(answer.status).toBe(409)
  expect(await json(answer)).toMatchObject({ code: 'first-try-unknown' })
  expect(house.told).toEqual([])
  const other = await house.call('/api/v1/agents/settler/2/restart', { method: 'POST', headers })
  expect(await json(other)).toMatchObject({ code: 'conflict' })
})

test('that a write begins is in the record before its deed', async () => {
  await using house = await openHouse()
  const gate = Promise.withResolvers<void>()
  house.script.restarting = gate.promise
  const asked = house.call(path, { method: 'POST', headers })
  await expect.poll(() => house.told.length).toBe(1)
  expect(await house.store.read.requestBegun('operator k-1')).toBeDefined()
  expect(await house.store.read.request('operator k-1')).toBeUndefined()
  gate.resolve()
  expect((await asked).status).toBe(202)
  expect(await house.store.read.requestBegun('operator k-1')).toBeUndefined()
  expect(await house.store.read.request('operator k-1')).toMatchObject({ status: 202 })
})

test.each<[string, Error, number]>([
  ['refused', new Failure('conflict', 'not now'), 202],
  ['not known', new Failure('timed-out', 'no answer'), 409],
  ['a bug', new Error('oh'), 409],
])(
  'after a deed that was %s, the same key is taken again only if nothing can have happened',
  async (_what, fault, again) => {
    await using house = await openHouse()
    const rejected = Promise.reject(fault)
    rejected.catch(() => {})
    house.script.restarting = rejected
    expect((await house.call(path, { method: 'POST', headers })).status).toBeGreaterThanOrEqual(400)
    house.script.restarting = Promise.resolve()
    expect((await house.call(path, { method: 'POST', headers })).status).toBe(again)
  },
)

test('two at the same time under one key are one deed, and both get its answer', async () => {
  await using house = await openHouse()
  const gate = Promise.withResolvers<void>()
  house.script.restarting = gate.promise
  const both = [house.call(path, { method: 'POST', headers }), house.call(path, { method: 'POST', headers })]
  await expect.poll(() => house.told.length).toBe(1)
  gate.resolve()
  const answers = await Promise.all(both)
  expect(answers.map(({ status }) => status)).toEqual([202, 202])
  expect(await json(answers[0]!)).toEqual(await json(answers[1]!))
  expect(house.told).toHaveLength(1)
})
