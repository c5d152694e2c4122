/** A sitter on its way down: no new work is taken, and what keeps money from moving still is. */
import { expect, test } from 'vitest'
import { json, openHouse } from './house.ts'

test('While the sitter stops new work is refused with a time to come back, reads and a freeze go on', async () => {
  await using house = await openHouse()
  expect((await house.post('/api/v1/tasks', { type: 'settle', payload: 1 })).status).toBe(201)
  house.script.stopping = true
  const refused = await house.post('/api/v1/tasks', { type: 'settle', payload: 2 })
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('5')
  expect(await json(refused)).toMatchObject({ code: 'stopping' })
  expect((await house.call('/api/v1/tasks')).status).toBe(200)
  expect((await house.post('/api/v1/swarm/freeze', { reason: 'wait' })).status).toBe(200)
  const ready = await house.call('/readyz')
  expect(ready.status).toBe(503)
  expect((await json(ready))['checks']).toContainEqual(expect.objectContaining({ name: 'admission', ok: false }))
  expect((await house.call('/livez')).status).toBe(200)
})
