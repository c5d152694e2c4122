import { expect, test } from 'vitest'
import { json, openHouse, rawConfig, type TestHouse } from './house.ts'

const candidate = (raw: unknown) => ({ file: '/x/swarm.config.json', baseDirectory: '/x', raw })
const changed = { ...rawConfig, upstreams: { bank: { url: 'https://bank.example', allow: ['GET /**'] } } }
const post = (house: TestHouse, verb: string, body: unknown): Promise<Response> =>
  house.post(`/api/v1/config/${verb}`, body)

test('a configuration is planned, applied only by agreement, listed with its actor, and rolled back', async () => {
  await using house = await openHouse()
  const checked = await json(await post(house, 'validate', candidate(changed)))
  expect(checked).toMatchObject({ valid: true, plan: { restarts: 'sitter and gate' } })
  expect((await post(house, 'apply', candidate(changed))).status).toBe(409)
  expect(house.told).toEqual([])
  const { base } = checked
  const applied = await post(house, 'apply', { ...candidate(changed), base, restart: true })
  expect(applied.status).toBe(202)
  expect(await json(applied)).toMatchObject({ version: 2 })
  expect(house.told).toEqual([{ deed: 'begin anew', with: { gate: true, actor: 'token:operator' } }])
  expect(await json(await house.call('/api/v1/config/versions'))).toMatchObject({
    items: [{ version: 2, actor: 'token:operator' }, { version: 1 }],
  })
  expect(await json(await house.call('/api/v1/config/diff?from=1&to=2'))).toMatchObject({
    changes: [{ path: 'upstreams', kind: 'added' }],
  })
  expect(await json(await house.call('/api/v1/config/versions/1'))).toMatchObject({ raw: rawConfig })
  expect((await post(house, 'rollback', { version: 7, restart: true })).status).toBe(404)
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
})

test('what runs is told as it was written, without anything of the environment', async () => {
  await using house = await openHouse()
  const answer = await house.call('/api/v1/config/current')
  const text = await answer.text()
  expect(JSON.parse(text)).toMatchObject({ raw: rawConfig })
  expect(text).not.toContain(process.env['PATH']!)
})
