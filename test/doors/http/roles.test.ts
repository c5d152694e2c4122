import { expect, test } from 'vitest'
import { guessBounds } from '../../../src/doors/http/guesses.ts'
import { factsOf, mayUse, pathFacts, restrictedPaths } from '../../../src/doors/http/paths.ts'
import { roles, type Role } from '../../../src/record/record.ts'
import { addEvents, json, openHouse, token, type TestHouse } from './house.ts'

const concrete = (path: string): string =>
  path.replaceAll(/\/:([a-z]+)(\{[^}]*\})?/g, (_, name: string) => (name === 'kind' ? '/audit' : '/1'))

const tokenFor = async (house: TestHouse, role: Role, more: Record<string, string> = {}): Promise<string> => {
  const answer = await house.post('/api/v1/tokens', { name: `${role}-1`, role, ...more })
  expect(answer.status).toBe(201)
  return String((await json(answer))['token'])
}
const as = (house: TestHouse, bearer: string, path: string, init: RequestInit = {}): Promise<Response> =>
  house.call(path, { ...init, headers: { authorization: `Bearer ${bearer}`, ...(init.headers as object) } })
const auditOf = async (house: TestHouse): Promise<Record<string, unknown>[]> =>
  (await house.store.read.audit(1, 1_000)).map(({ entry }) => JSON.parse(entry) as Record<string, unknown>)

test('every route has a row in the table of roles, and every row a route', async () => {
  await using house = await openHouse()
  const routes = house.door.routes.map(({ method, path }) => `${method} ${path}`)
  expect(routes.filter((route) => !Object.hasOwn(pathFacts, route))).toEqual([])
  expect(Object.keys(pathFacts).filter((row) => !routes.includes(row))).toEqual([])
})

test.each(roles)('the role %s gets 403 wherever the table does not name it, and nowhere else', async (role) => {
  await using house = await openHouse()
  const bearer = role === 'admin' ? token : await tokenFor(house, role)
  let refused = 0
  for (const route of house.door.routes.filter(({ open }) => open !== true)) {
    for (const method of route.method === 'GET' ? ['GET', 'HEAD'] : ['POST']) {
      const answer = await as(house, bearer, concrete(route.path), { method })
      await answer.body?.cancel()
      const may = mayUse(role, route, route.path.endsWith(':kind') ? { kind: 'audit' } : {})
      expect(`${method} ${route.path} ${answer.status === 403 ? 'refused' : 'let in'}`).toBe(
        `${method} ${route.path} ${may ? 'let in' : 'refused'}`,
      )
      if (!may) refused += 1
    }
  }
  if (role === 'admin') expect(refused).toBe(0)
  else expect(refused).toBeGreaterThan(8)
})

test('what moves money, sets secrets, stops the swarm or makes tokens is nobody’s by accident', () => {
  const who = (method: 'GET' | 'POST', path: string): readonly Role[] => factsOf({ method, path }).may
  expect(who('POST', '/api/v1/settlements/:id/resolve')).toEqual(['approver', 'admin'])
  for (const path of ['/api/v1/tokens', '/api/v1/credentials', '/api/v1/swarm/down', '/api/v1/config/apply'])
    expect(who('POST', path)).toEqual(['admin'])
  expect(who('POST', '/api/v1/a-route-that-nobody-described')).toEqual(['admin'])
  for (const [row, { may }] of Object.entries(pathFacts))
    if (row.startsWith('POST ') && row !== 'POST /login') expect(may, row).not.toContain('viewer')
})

test('roles hold for each object: an operator exports work, not money and not the audit', async () => {
  await using house = await openHouse()
  const operator = await tokenFor(house, 'operator')
  for (const [kind, status] of [
    ['tasks', 200],
    ['attempts', 200],
    ['settlements', 403],
    ['transfers', 403],
    ['audit', 403],
  ] as const) {
    const answer = await as(house, operator, `/api/v1/export/${kind}`)
    await answer.body?.cancel()
    expect(`${kind} ${answer.status}`).toBe(`${kind} ${status}`)
  }
})

test('whoever asks is told what is not for every role, and it is what the door enforces', async () => {
  await using house = await openHouse()
  const viewer = await tokenFor(house, 'viewer')
  const { restricted } = (await json(await as(house, viewer, '/api/v1/tokens/self'))) as {
    restricted: Record<string, Role[]>
  }
  expect(restricted).toEqual(restrictedPaths())
  expect(restricted['POST /api/v1/swarm/freeze']).toEqual(['operator', 'approver', 'admin'])
  expect(restricted['GET /api/v1/swarm']).toBeUndefined()
  expect(restricted['GET /api/v1/export/tasks']).toEqual(['operator', 'auditor', 'admin'])
  expect(restricted['GET /api/v1/export/settlements']).toEqual(['auditor', 'admin'])
  for (const { method, path } of house.door.routes)
    for (const role of roles) {
      const told = restricted[`${method} ${path}`] ?? roles
      expect(`${role} ${path} ${told.includes(role)}`).toBe(
        `${role} ${path} ${mayUse(role, { method, path }, { kind: 'tasks' })}`,
      )
    }
})

test('a token is shown once, kept as a hash, named in the audit by its name, and ends when it is revoked', async () => {
  await using house = await openHouse()
  const bearer = await tokenFor(house, 'operator')
  expect(bearer).toMatch(/^swt_[A-Za-z0-9_-]{43}$/)
  const rows = JSON.stringify([await house.store.read.tokens(), await auditOf(house)])
  expect(rows).not.toContain(bearer)
  expect(rows).not.toContain(bearer.slice(4))
  const list = JSON.stringify(await json(await house.call('/api/v1/tokens')))
  expect(list).toContain('operator-1')
  expect(list).not.toContain('hash')
  expect(await json(await as(house, bearer, '/api/v1/tokens/self'))).toMatchObject({
    name: 'operator-1',
    role: 'operator',
    actor: 'token:operator-1',
  })
  await as(house, bearer, '/api/v1/agents/settler/1/restart', { method: 'POST' })
  expect(house.told).toMatchObject([{ with: { actor: 'token:operator-1' } }])
  await expect.poll(async () => (await house.store.read.tokens())[0]!.usedMs).not.toBeNull()
  expect((await house.post('/api/v1/tokens', { name: 'operator-1', role: 'viewer' })).status).toBe(409)
  expect((await house.post('/api/v1/tokens/operator-1/revoke', {})).status).toBe(200)
  expect((await as(house, bearer, '/api/v1/swarm')).status).toBe(401)
  expect((await house.post('/api/v1/tokens/operator-1/revoke', {})).status).toBe(404)
  expect(await auditOf(house)).toMatchObject([
    { actor: 'token:operator', action: 'token.create', object: 'operator-1' },
    { actor: 'token:operator', action: 'token.revoke', object: 'operator-1' },
  ])
})

test.each([
  ['the name of the token file', { name: 'operator', role: 'admin' }],
  ['an unknown role', { name: 'x', role: 'root' }],
  ['no role', { name: 'x' }],
  ['a name with a space', { name: 'a b', role: 'viewer' }],
  ['a life of nothing', { name: 'x', role: 'viewer', expires: '0s' }],
  ['a hash of its own', { name: 'x', role: 'viewer', hash: 'ab' }],
] as const)('%s makes no token', async (_what, body) => {
  await using house = await openHouse()
  expect((await house.post('/api/v1/tokens', body)).status).toBe(422)
  expect(await house.store.read.tokens()).toEqual([])
})

test('a token lives through a restart of the door, and not beyond its time', async () => {
  await using house = await openHouse()
  const bearer = await tokenFor(house, 'viewer', { expires: '1h' })
  const [kept] = await house.store.read.tokens()
  expect(kept!.expiresMs).toBeGreaterThan(house.rooms.clock.wallMs() + 3_500_000)
  await house.door.stop()
  await house.reopen()
  expect((await as(house, bearer, '/api/v1/swarm')).status).toBe(200)
  const brief = await house.post('/api/v1/tokens', { name: 'brief', role: 'viewer', expires: '1ms' })
  const text = String((await json(brief))['token'])
  await expect.poll(async () => (await as(house, text, '/api/v1/swarm')).status).toBe(401)
})

test('a page that was opened with a token has its role, and ends with it', async () => {
  await using house = await openHouse()
  const bearer = await tokenFor(house, 'viewer')
  const entered = await fetch(`${house.door.url}/login`, {
    method: 'POST',
    body: `token=${bearer}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  const cookie = entered.headers.get('set-cookie')!.split(';')[0]!
  const headers = { cookie, origin: house.door.url }
  const self = await fetch(`${house.door.url}/api/v1/tokens/self`, { headers })
  expect(await json(self)).toMatchObject({ name: 'viewer-1', role: 'viewer', actor: 'session:viewer-1' })
  const restart = (): Promise<Response> =>
    fetch(`${house.door.url}/api/v1/agents/settler/1/restart`, { method: 'POST', headers })
  expect((await restart()).status).toBe(403)
  await house.post('/api/v1/tokens/viewer-1/revoke', {})
  expect((await restart()).status).toBe(401)
})

test('a stream ends when the token that opened it is revoked', async () => {
  await using house = await openHouse()
  const bearer = await tokenFor(house, 'viewer')
  const answer = await as(house, bearer, '/api/v1/events', { headers: { accept: 'text/event-stream' } })
  const text = answer.text()
  await house.post('/api/v1/tokens/viewer-1/revoke', {})
  await addEvents(house.store, 1, 'a secret')
  expect(await text).toContain('event: bye')
  expect(await text).not.toContain('a secret')
})

test('guessing is slow: after a few wrong tokens an address waits, whoever was right from there before does not', async () => {
  await using house = await openHouse()
  const known = await tokenFor(house, 'viewer')
  expect((await as(house, known, '/api/v1/swarm')).status).toBe(200)
  const stranger = await house.post('/api/v1/tokens', { name: 'stranger', role: 'viewer' })
  const unseen = String((await json(stranger))['token'])
  const answers: Response[] = []
  for (let guess = 0; guess < guessBounds.tries + 10; guess += 1)
    answers.push(await as(house, `swt_${'x'.repeat(42)}${guess % 10}`, '/api/v1/swarm'))
  const late = answers.filter(({ status }) => status === 429)
  expect(late.length).toBeGreaterThanOrEqual(5)
  expect(answers.slice(0, 5).map(({ status }) => status)).toEqual([401, 401, 401, 401, 401])
  expect(Number(late[0]!.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(await json(late[0]!)).toMatchObject({ code: 'too-many-attempts' })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  expect((await fetch(`${house.door.url}/login`, { method: 'POST', body: 'token=x', headers: form })).status).toBe(429)
  expect((await fetch(`${house.door.url}/login?code=x`)).status).toBe(429)
  expect((await as(house, unseen, '/api/v1/swarm')).status).toBe(429)
  expect((await as(house, known, '/api/v1/swarm')).status).toBe(200)
  expect((await house.call('/api/v1/swarm')).status).toBe(200)
  expect((await fetch(`${house.door.url}/livez`, { headers: { authorization: 'Bearer wrong' } })).status).toBe(200)
})

test('an Idempotency-Key is its caller’s: another one’s answer is not given out', async () => {
  await using house = await openHouse()
  const operator = await tokenFor(house, 'operator')
  const path = '/api/v1/agents/settler/1/restart'
  const headers = { 'idempotency-key': 'k-1' }
  expect((await house.call(path, { method: 'POST', headers })).status).toBe(202)
  const other = await as(house, operator, path, { method: 'POST', headers })
  expect(other.headers.get('idempotency-replayed')).toBeNull()
  expect(house.told).toHaveLength(2)
})
