import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { json, openHouse, token } from './house.ts'

/** Sends bytes as they are and gives everything that came back. */
const raw = (url: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
const get = (path: string, headers: string): string => `GET ${path} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`
const status = (answer: string): number => Number(answer.split(' ')[1])

const concrete = (path: string): string => path.replaceAll(/\/:[a-z]+(\{[^}]*\})?/g, '/1')

test('without a token every method of every route answers 401, but for the open ones', async () => {
  await using house = await openHouse()
  const paths = [
    ...new Set(house.door.routes.map((route) => route.path)),
    '/metrics',
    '/mcp',
    '/nothing',
    '/api/v1/tokens',
    '/%6civez',
    '/livez/',
  ]
  const open = new Set(['/livez', '/healthz', '/login'])
  expect(paths.length).toBeGreaterThan(35)
  const answered: string[] = []
  for (const path of paths) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(`${house.door.url}${concrete(path)}`, { method, redirect: 'manual' })
      const text = await answer.text()
      const answers =
        open.has(path) && (method === 'GET' || method === 'HEAD' || (path === '/login' && method === 'POST'))
      if (answers) continue
      expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 401`)
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
      if (method === 'GET') expect(JSON.parse(text)).toMatchObject({ status: 401, code: 'unauthorized' })
      answered.push(path)
    }
  }
  expect(answered.length).toBeGreaterThan(200)
  expect(house.told).toEqual([])
  expect((await house.store.read.auditHead()).seq).toBe(0)
})

test('with the token every route answers to its own method, and 405 with Allow to others', async () => {
  await using house = await openHouse()
  for (const { method, path } of house.door.routes) {
    const answer = await house.call(concrete(path), { method, redirect: 'manual' })
    await answer.body?.cancel()
    if (path !== '/login') expect(answer.status, `${method} ${path}`).not.toBe(401)
    if (!path.includes('/:')) expect(answer.status, `${method} ${path}`).not.toBe(404)
    const wrong = await house.call(concrete(path), { method: 'DELETE' })
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toContain(method)
    expect(await json(wrong)).toMatchObject({ code: 'method-not-allowed' })
  }
  expect(house.faults).toEqual([])
})

test.each([
  ['a wrong token', { authorization: 'Bearer wrong-token-0123456789abc' }],
  ['an empty token', { authorization: 'Bearer ' }],
  ['the word null', { authorization: 'Bearer null' }],
  ['an empty list', { authorization: 'Bearer []' }],
  ['another scheme', { authorization: `Basic ${token}` }],
  ['the token without scheme', { authorization: token }],
  [
    'headers that claim to be internal',
    { 'x-request-from': 'internal', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-user': 'admin' },
  ],
  ['the token in another header', { 'x-api-key': token, 'x-sitter-token': token }],
  ['a made-up session', { cookie: 'sitter_00000000=9999999999999.x.y; session=1' }],
  ['an upgrade', { connection: 'upgrade', upgrade: 'websocket' }],
] as const)('%s opens nothing', async (_name, headers) => {
  await using house = await openHouse()
  const lines = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  const host = `Host: ${new URL(house.door.url).host}\r\n`
  const answer = await raw(
    house.door.url,
    `GET /api/v1/swarm HTTP/1.1\r\n${host}${lines}${'upgrade' in headers ? '' : 'Connection: close\r\n'}\r\n`,
  )
  expect(status(answer)).toBe(401)
})

test('a token in the query is not taken', async () => {
  await using house = await openHouse()
  expect((await fetch(`${house.door.url}/api/v1/swarm?token=${token}&access_token=${token}`)).status).toBe(401)
})

test.each([
  ['a foreign name', 'Host: evil.test\r\n'],
  ['a name that resolves to us', 'Host: 127.0.0.1.nip.io\r\n'],
  ['ours with a trailing dot', 'Host: localhost.\r\n'],
  ['ours as a prefix', 'Host: localhost.evil.test\r\n'],
  ['ours as user', 'Host: localhost@evil.test\r\n'],
  ['another loopback address', 'Host: 127.0.0.2\r\n'],
  ['no Host', ''],
  ['two Hosts', 'Host: localhost\r\nHost: localhost\r\n'],
  ['an empty Host', 'Host: \r\n'],
  ['a junk port', 'Host: localhost:port\r\n'],
] as const)('%s is refused on every path, with the token too', async (_name, host) => {
  await using house = await openHouse()
  for (const path of ['/livez', '/api/v1/swarm', '/', '/login']) {
    const answer = await raw(house.door.url, get(path, `${host}Authorization: Bearer ${token}\r\n`))
    expect(status(answer)).toBe(403)
    expect(answer).toContain('"code":"wrong-host"')
  }
})

test('an absolute-form target is refused', async () => {
  await using house = await openHouse()
  expect(status(await raw(house.door.url, get('http://evil.test/livez', 'Host: localhost\r\n')))).toBe(403)
  expect(status(await raw(house.door.url, get('*', 'Host: localhost\r\n').replace('GET', 'OPTIONS')))).toBe(403)
})

test('our names are answered, whatever their case and port', async () => {
  await using house = await openHouse()
  for (const host of ['localhost', 'LOCALHOST:7700', '127.0.0.1', '[::1]:80']) {
    expect(status(await raw(house.door.url, get('/livez', `Host: ${host}\r\n`)))).toBe(200)
  }
})

test('a foreign origin is refused for reads, writes and the event stream, even with the token', async () => {
  await using house = await openHouse()
  for (const origin of ['http://evil.test', 'null', 'http://localhost:1', 'file://', 'http://127.0.0.1.evil.test']) {
    for (const [path, init] of [
      ['/api/v1/swarm', {}],
      ['/api/v1/swarm/down', { method: 'POST' }],
      ['/api/v1/events', { headers: { accept: 'text/event-stream' } }],
    ] as const) {
      const answer = await house.call(path, {
        ...init,
        headers: { origin, ...('headers' in init ? init.headers : {}) },
      })
      expect(answer.status).toBe(403)
      expect(await json(answer)).toMatchObject({ code: 'forbidden' })
    }
  }
  expect(house.told).toEqual([])
  expect((await house.call('/api/v1/swarm', { headers: { origin: house.door.url } })).status).toBe(200)
})

test('garbage, a header flood and TRACE get a clear end and the server lives on', async () => {
  await using house = await openHouse()
  expect(status(await raw(house.door.url, 'what is this\r\n\r\n'))).toBe(400)
  expect(status(await raw(house.door.url, get('/livez', `Host: localhost\r\nX: ${'x'.repeat(40_000)}\r\n`)))).toBe(431)
  expect(
    status(await raw(house.door.url, get('/livez', 'Host: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n'))),
  ).toBe(400)
  expect(
    status(await raw(house.door.url, get('/livez', 'Host: localhost\r\n__proto__: x\r\nconstructor: y\r\n'))),
  ).toBe(200)
  const trace = get('/api/v1/swarm', `Host: localhost\r\nAuthorization: Bearer ${token}\r\n`).replace('GET', 'TRACE')
  expect([400, 405]).toContain(status(await raw(house.door.url, trace)))
  expect((await house.call('/api/v1/swarm')).status).toBe(200)
  expect(house.faults).toEqual([])
})

test('a request that never ends is answered 408 and closed', async () => {
  await using house = await openHouse({ bounds: { headersMs: 100, requestMs: 200, checkMs: 50 } })
  expect(status(await raw(house.door.url, 'GET /livez HTTP/1.1\r\nHost: local'))).toBe(408)
  const headers = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 10`
  const slow = `POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n{`
  expect(status(await raw(house.door.url, slow))).toBe(408)
  expect((await house.call('/livez')).status).toBe(200)
})

test('over the bound of connections the answer is 503 with Retry-After, and it passes', async () => {
  await using house = await openHouse({ bounds: { connections: 2 } })
  const port = Number(new URL(house.door.url).port)
  const held = await Promise.all(
    Array.from(
      { length: 2 },
      () =>
        new Promise<ReturnType<typeof connect>>((resolve) => {
          const socket = connect(port, '127.0.0.1', () =>
            socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'),
          )
          socket.once('data', () => resolve(socket))
        }),
    ),
  )
  const answer = await raw(house.door.url, get('/livez', 'Host: localhost\r\n'))
  expect(status(answer)).toBe(503)
  expect(answer.toLowerCase()).toContain('retry-after: 1')
  expect(answer).toContain('"code":"overloaded"')
  const closed = held.map(
    (socket) =>
      new Promise((resolve) => {
        socket.once('close', resolve)
      }),
  )
  for (const socket of held) socket.destroy()
  await Promise.all(closed)
  await expect.poll(async () => status(await raw(house.door.url, get('/livez', 'Host: localhost\r\n')))).toBe(200)
})

test('every answer carries the safety headers, no answer of the API is kept', async () => {
  await using house = await openHouse()
  for (const path of ['/livez', '/login', '/', '/api/v1/swarm', '/nothing']) {
    const { headers } = await house.call(path)
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(headers.get('content-security-policy')).not.toContain('unsafe')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-request-id')).toMatch(/^req_/)
  }
})

test('a taken port is refused by name', async () => {
  await using house = await openHouse()
  await expect(openHouse({ port: Number(new URL(house.door.url).port) })).rejects.toMatchObject({ code: 'port-taken' })
})
