import { expect, test } from 'vitest'
import { json, openHouse, rawConfig, type TestHouse } from './house.ts'

const candidate = (raw: unknown) => ({ file: '/x/swarm.config.json', baseDirectory: '/x', raw })
const changed = { ...rawConfig, upstreams: { bank: { url: 'https://bank.example', allow: ['GET /**'] } } }
const elsewhere = { ...rawConfig, api: { port: 7_702 } }
const post = (house: TestHouse, verb: string, body: unknown): Promise<Response> =>
  house.post(`/api/v1/config/${verb}`, body)

test('a configuration is planned, applied live, listed with its actor, and rolled back', async () => {
  await using house = await openHouse()
  const checked = await json(await post(house, 'validate', candidate(changed)))
  expect(checked).toMatchObject({ valid: true, plan: { restarts: 'none', gate: true } })
  const { base } = checked
  const applied = await post(house, 'apply', { ...candidate(changed), base })
  expect(applied.status).toBe(200)
  expect(await json(applied)).toMatchObject({ version: 2 })
  expect(house.told).toEqual([{ deed: 'take', with: { raw: changed, actor: 'token:operator' } }])
  expect(await json(await house.call('/api/v1/config/versions'))).toMatchObject({
    items: [{ version: 2, actor: 'token:operator' }, { version: 1 }],
  })
  expect(await json(await house.call('/api/v1/config/diff?from=1&to=2'))).toMatchObject({
    changes: [{ path: '(directory)' }, { path: 'upstreams', kind: 'added' }],
  })
  expect(await json(await house.call('/api/v1/config/versions/1'))).toMatchObject({ raw: rawConfig })
  expect((await post(house, 'rollback', { version: 7 })).status).toBe(404)
  expect((await post(house, 'rollback', { version: 1 })).status).toBe(200)
  expect(house.told.at(-1)).toEqual({ deed: 'take', with: { raw: rawConfig, actor: 'token:operator' } })
})

test('what only a new sitter reaches is applied by agreement, or not at all', async () => {
  await using house = await openHouse()
  const refused = await post(house, 'apply', candidate(elsewhere))
  expect([refused.status, await json(refused)]).toMatchObject([409, { code: 'restart-needed' }])
  expect(house.told).toEqual([])
  expect((await post(house, 'apply', { ...candidate(elsewhere), restart: true })).status).toBe(202)
  expect(house.told).toEqual([{ deed: 'begin anew', with: { actor: 'token:operator' } }])
  const other = await post(house, 'apply', { ...candidate({ ...rawConfig, name: 'other' }), restart: true })
  expect(other.status).toBe(409)
})

test('an invalid one is refused with every fault, and prototypes are out of reach', async () => {
  await using house = await openHouse()
  const answer = await post(house, 'validate', candidate({ ...rawConfig, nmae: 1, api: { port: 'x' } }))
  expect(answer.status).toBe(422)
  expect(((await json(answer))['facts'] as { errors: string[] }).errors).toHaveLength(2)
  const text = `{"file":"/x/c.json","baseDirectory":"/x","raw":{"name":"payouts","agents":{},"constructor":{"prototype":{"a":1}}}}`
  const forbidden = await house.call('/api/v1/config/validate', {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'application/json' },
  })
  expect(await json(forbidden)).toMatchObject({ code: 'config-invalid' })
  expect(({} as Record<string, unknown>)['a']).toBeUndefined()
  expect((await post(house, 'apply', { ...candidate(rawConfig), file: 'c.json' })).status).toBe(422)
  expect((await post(house, 'apply', candidate({ ...rawConfig, nmae: 1 }))).status).toBe(422)
  expect(await json(await house.call('/api/v1/events?subject=config'))).toMatchObject({
    items: expect.arrayContaining([expect.objectContaining({ kind: 'config.refused' })]) as unknown,
  })
})

test('what runs is told as it was written, without anything of the environment', async () => {
  await using house = await openHouse()
  const answer = await house.call('/api/v1/config/current')
  const text = await answer.text()
  expect(JSON.parse(text)).toMatchObject({ raw: rawConfig })
  expect(text).not.toContain(process.env['PATH']!)
})
