/** A type is restarted part after part, as fast as was asked. */
import { expect, test } from 'vitest'
import { json, openHouse } from './house.ts'

test('A rolling restart goes to the fleet with its surge; a wrong one, or one without rolling, is refused', async () => {
  await using house = await openHouse()
  const path = '/api/v1/agents/settler/restart'
  expect((await house.post(path, { rolling: true, surge: '10%' })).status).toBe(202)
  expect((await house.post(path, { rolling: true })).status).toBe(202)
  expect((await house.post(path, {})).status).toBe(202)
  expect(house.told).toMatchObject([
    { deed: 'roll', with: { type: 'settler', surge: { share: 0.1 }, actor: 'token:operator' } },
    { deed: 'roll', with: { surge: null } },
    { deed: 'restart' },
  ])
  for (const body of [{ rolling: true, surge: '0' }, { surge: '3' }, { rolling: true, surge: 3 }]) {
    const refused = await house.post(path, body)
    expect(refused.status).toBe(422)
    expect(await json(refused)).toMatchObject({ code: 'invalid' })
  }
  expect((await house.post('/api/v1/agents/settler/1/restart', { rolling: true })).status).toBe(422)
  expect(house.told.length).toBe(3)
})
