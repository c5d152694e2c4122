import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { writeFileSync, rmSync, mkdirSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { untilOpen } from './cell-door.ts'
import { canary, fetchBy, grantFor, openWorld, type UpstreamRules } from './harness.ts'
import { openUpstream, type TestUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}, agents: readonly string[] = ['payer/0001', 'payer/0002']) => {
  const upstream: TestUpstream = await openUpstream()
  const opened = await openWorld(upstream, more)
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  opened.sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  await untilOpen(door)
  return { ...opened, upstream, door }
}

const as = (agent: string): Record<string, string> => ({ 'x-sitter-agent': agent })
const codeOf = (body: string): unknown => (JSON.parse(body) as { code: unknown }).code

/** What the door answers to raw bytes. */
const raw = (door: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(door, () => {
      socket.write(text)
    })
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })

test("an agent's call goes out with the credential injected, and its own ways of saying who it is are dropped", async () => {
  const { door, upstream } = await world()
  const answer = await fetchBy(door, {
    path: '/bank/v1/accounts?limit=3',
    headers: {
      ...as('payer/0001'),
      authorization: 'Bearer forged',
      'proxy-authorization': 'x',
      cookie: 'a=b',
      connection: 'x-private',
      'x-private': 'secret',
      'x-http-method-override': 'DELETE',
      host: 'evil.test',
      'x-kept': 'yes',
      'X-Sitter-Other': 'no',
    },
  })
  expect(answer).toMatchObject({ status: 201, body: '{"ok":true}' })
  expect(answer.headers['x-sitter-call']).toMatch(/^\d+$/)
  // Nothing stands in its way but the turn of a timer.
  expect(Number(answer.headers['x-sitter-waited-ms'])).toBeLessThan(50)
  expect(answer.headers['x-sitter-cost']).toBe('0.01 XTS')
  const [seen] = upstream.seen
  expect(seen).toMatchObject({ method: 'GET', url: '/v1/accounts?limit=3' })
  const names = seen!.rawHeaders
    .filter((_one, index) => index % 2 === 0)
    .map((name) => name.toLowerCase())
    .toSorted()
  expect(names).toEqual(['accept-encoding', 'authorization', 'connection', 'host', 'x-kept'])
  expect(seen!.headers).toMatchObject({ authorization: `Bearer ${canary}`, host: upstream.host })
})

test('the answer streams, cookies and an echoed secret do not come back, and refusals of the upstream pass as they are', async () => {
  const { door, upstream } = await world()
  upstream.answer((seen, response) => {
    response.writeHead(422, {
      'set-cookie': 'session=1',
      'x-echo': String(seen.headers['authorization']),
      'content-type': 'text/plain',
    })
    response.write('one ')
    setImmediate(() => response.end('two'))
  })
  const answer = await fetchBy(door, {
    method: 'POST',
    path: '/bank/v1/checks',
    headers: as('payer/0001'),
    body: 'hello',
  })
  expect(answer).toMatchObject({ status: 422, body: 'one two' })
  expect(answer.headers['set-cookie']).toBe(undefined)
  expect(answer.headers['x-echo']).toBe(`Bearer ${'*'.repeat(canary.length)}`)
  expect(upstream.seen[0]!.body).toBe('hello')
})

test('a money route is closed to agents, however it is written', async () => {
  const { door, upstream } = await world()
  const paths = [
    '/bank/v1/payouts',
    '/bank/v1/payouts/',
    '/bank/v1/PAYOUTS',
    '/bank/v1/%70ayouts',
    '/bank/v1/payouts;x=1',
    '/bank/v1/payouts?x=1',
  ]
  for (const path of paths) {
    const answer = await fetchBy(door, { method: 'POST', path, headers: as('payer/0001'), body: '{}' })
    expect([path, answer.status, codeOf(answer.body), answer.headers['x-should-retry']]).toEqual([
      path,
      403,
      'intent-required',
      'false',
    ])
  }
  expect(upstream.seen).toHaveLength(0)
})

test('an agent of another cell, no agent, and two agents are refused', async () => {
  const { door, upstream } = await world()
  const refused = await Promise.all([
    fetchBy(door, { path: '/bank/v1/a', headers: as('payer/0003') }),
    fetchBy(door, { path: '/bank/v1/a' }),
    fetchBy(door, { path: '/bank/v1/a', headers: { 'x-sitter-agent': ['payer/0001', 'payer/0002'] } }),
  ])
  expect(refused.map((answer) => [answer.status, codeOf(answer.body)])).toEqual(
    refused.map(() => [403, 'not-your-agent']),
  )
  expect(upstream.seen).toHaveLength(0)
})

test('a cell with one agent need not name it, and another upstream than its own is refused', async () => {
  const { door } = await world({}, ['payer/0001'])
  expect((await fetchBy(door, { path: '/bank/v1/a' })).status).toBe(201)
  const other = await fetchBy(door, { path: '/elsewhere/v1/a' })
  expect([other.status, codeOf(other.body)]).toEqual([403, 'not-allowed'])
})

test('paths that two readers could read differently are refused, and the connection is not confused by bad framing', async () => {
  const { door, upstream } = await world({}, ['payer/0001'])
  const paths = [
    '/bank/v1/../admin',
    '/bank/v1/%2e%2e/admin',
    '/bank/v1/%252e%252e/admin',
    '/bank/v1/..%5cadmin',
    '/bank/v1/a%2fb',
    '/bank//v1/a',
    '/bank/v1/a%00',
    '/bank/v1/a%0d%0ahost:evil',
    '/bank/v2/a',
    '/bank',
    '/',
    'http://evil.test/v1/a',
    '/bank/v1/\\a',
    '/bank/v1/a?q=%zz',
  ]
  for (const path of paths) {
    const answer = await raw(door, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    expect([path, answer.slice(9, 12)]).toEqual([path, expect.stringMatching(/^4/)])
  }
  for (const head of [
    'content-length: 5\r\ncontent-length: 6',
    'content-length: 5\r\ntransfer-encoding: chunked',
    'bad name: x',
    'x: a\0b',
  ]) {
    const answer = await raw(door, `POST /bank/v1/a HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\nhello`)
    expect([head, answer.slice(0, 12)]).toEqual([head, 'HTTP/1.1 400'])
  }
  const proto = await raw(door, 'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\n__proto__: y\r\nconnection: close\r\n\r\n')
  expect(proto.slice(0, 12)).toBe('HTTP/1.1 201')
  expect(upstream.seen).toHaveLength(1)
})

test('a body over the bound is refused before anything is sent when its length is told, and cut when it is not', async () => {
  const { door, upstream } = await world({}, ['payer/0001'])
  const told = await raw(door, 'POST /bank/v1/a HTTP/1.1\r\nhost: x\r\ncontent-length: 40000000\r\n\r\n')
  expect(told).toContain('"code":"too-large"')
  const grown = await fetchBy(door, {
    method: 'POST',
    path: '/bank/v1/a',
    headers: { 'transfer-encoding': 'chunked' },
    body: Buffer.alloc(34 * 1024 * 1024),
  }).catch((error: NodeJS.ErrnoException) => error.code ?? error.message)
  expect(typeof grown === 'string' ? grown : codeOf(grown.body)).toMatch(/too-large|EPIPE|ECONNRESET/)
  expect(upstream.seen).toHaveLength(0)
})

test('a cut answer is outcome-unknown before its head, and a broken stream after it', async () => {
  const { door, upstream } = await world({}, ['payer/0001'])
  upstream.answer((_seen, _response, request) => request.socket.destroy())
  const cut = await fetchBy(door, { method: 'POST', path: '/bank/v1/a', body: 'x' })
  expect([cut.status, codeOf(cut.body)]).toEqual([502, 'outcome-unknown'])
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-length': 10 })
    response.write('abc', () => response.destroy())
  })
  await expect(fetchBy(door, { path: '/bank/v1/a' })).rejects.toThrow(/aborted|socket hang up/)
  await upstream.close()
  const refused = await fetchBy(door, { path: '/bank/v1/a' })
  expect([refused.status, codeOf(refused.body)]).toEqual([503, 'upstream-unreachable'])
})

test('an agent that goes away while it waits leaves its place to the next', async () => {
  const { door, upstream, gate } = await world(
    {
      parkAfterMs: 120_000,
      limits: [
        {
          per: 'upstream',
          rate: { count: 1, windowMs: 60_000 },
          burst: 1,
          guard: 0,
          window: 'smooth',
          match: [],
          weights: [],
        },
      ],
    },
    ['payer/0001'],
  )
  expect((await fetchBy(door, { path: '/bank/v1/a' })).status).toBe(201)
  const socket = connect(door)
  socket.write('GET /bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n')
  while (gate.status().queued === 0)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  socket.destroy()
  while (gate.status().queued > 0)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  expect(upstream.seen).toHaveLength(1)
})

test('the file FROZEN stops grants and agents within its time, and thawing lets them go on', async () => {
  const { door, upstream, sitter, gate, place } = await world({}, ['payer/0001'])
  const file = join(place.data, 'run', 'FROZEN')
  mkdirSync(join(place.data, 'run'), { recursive: true })
  writeFileSync(file, '')
  const frozenAt = performance.now()
  while (!gate.status().frozen)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  expect(performance.now() - frozenAt).toBeLessThan(1_000)
  const grant = grantFor()
  sitter.link.grant([grant])
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'frozen' })
  const answer = await fetchBy(door, { path: '/bank/v1/a' })
  expect([answer.status, codeOf(answer.body)]).toEqual([503, 'frozen'])
  expect(upstream.seen).toHaveLength(0)
  rmSync(file)
  while (gate.status().frozen)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  expect((await fetchBy(door, { path: '/bank/v1/a' })).status).toBe(201)
})

test('a door whose cell is gone is closed, and status counts what happened', async () => {
  const { door, sitter } = await world({}, ['payer/0001'])
  await fetchBy(door, { path: '/bank/v1/a' })
  const status = await sitter.link.status()
  expect(status).toMatchObject({ frozen: false, queued: 0, inFlight: 0, cells: 1 })
  expect(status.upstreams[0]).toMatchObject({ name: 'bank', calls: 1, byStatus: { 201: 1 } })
  expect(status.upstreams[0]!.latencyMs!.p50).toBeGreaterThan(0)
  sitter.link.closeCell('cel_1')
  expect((await sitter.link.status()).cells).toBe(0)
  await expect(fetchBy(door, { path: '/bank/v1/a' })).rejects.toThrow(/ENOENT|ECONNREFUSED/)
})

test('the head of an answer is there before its body, and a short answer comes whole', async () => {
  const { door, upstream } = await world({}, ['payer/0001'])
  const late: (() => void)[] = []
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    late.push(() => response.end('data: at last\n\n'))
  })
  const socket = connect(door)
  socket.write('GET /bank/v1/stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  const head = String((await once(socket, 'data'))[0])
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(head).not.toContain('at last')
  late[0]!()
  expect(String((await once(socket, 'data'))[0])).toContain('data: at last')
  socket.destroy()
})
