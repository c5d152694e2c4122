/** B14 and B16: bytes that two readers could take apart differently reach nobody, on either side of the gate. */
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { asUpstream, openDoorTo, rawTo, statusesOf } from './door.ts'
import { canary, fetchBy, grantFor, type UpstreamRules } from './harness.ts'
import { listenAt } from './listeners.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}, agents?: readonly string[]) => {
  const opened = await openDoorTo(await openUpstream(), more, agents)
  closing.push(opened.close)
  return opened
}

/** An upstream that says exactly these bytes to each request, and nothing else. */
const speaking = async (say: (socket: Socket, request: string, count: number) => void) => {
  let count = 0
  const listener = await listenAt('127.0.0.1', 0, (socket, request) => {
    count += 1
    say(socket, request, count)
  })
  const opened = await openDoorTo(asUpstream(listener), { timeoutMs: 2_000 })
  closing.push(opened.close)
  return { ...opened, listener }
}

const head = (lines: readonly string[]): string =>
  `POST /bank/v1/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

const smuggled = 'GET /bank/v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n'

const badFraming: readonly (readonly [what: string, bytes: string])[] = [
  ['two lengths', head(['content-length: 0', `content-length: ${smuggled.length}`]) + smuggled],
  ['two lengths in other cases', head(['Content-Length: 0', `CONTENT-LENGTH: ${smuggled.length}`]) + smuggled],
  ['two lengths in one', head([`content-length: 0, ${smuggled.length}`]) + smuggled],
  [
    'length and chunks',
    head([`content-length: ${smuggled.length}`, 'transfer-encoding: chunked']) + `0\r\n\r\n${smuggled}`,
  ],
  ['chunks and length', head(['transfer-encoding: chunked', `content-length: 4`]) + `0\r\n\r\n${smuggled}`],
  ['a length with a sign', head(['content-length: +5']) + 'hello'],
  ['a negative length', head(['content-length: -1']) + smuggled],
  ['a length in hex', head(['content-length: 0x5']) + 'hello'],
  ['a length with a space inside', head(['content-length: 1 0']) + smuggled],
  ['a length beyond 64 bits', head(['content-length: 18446744073709551617']) + smuggled],
  ['chunked twice', head(['transfer-encoding: chunked', 'transfer-encoding: chunked']) + `0\r\n\r\n${smuggled}`],
  ['chunked is not the last', head(['transfer-encoding: chunked, identity']) + `0\r\n\r\n${smuggled}`],
  ['an unknown coding', head(['transfer-encoding: xchunked']) + `0\r\n\r\n${smuggled}`],
  ['chunked with a control', head(['transfer-encoding: \x0bchunked']) + `0\r\n\r\n${smuggled}`],
  ['a space before the colon', head(['transfer-encoding : chunked']) + `0\r\n\r\n${smuggled}`],
  ['a chunk size with a sign', head(['transfer-encoding: chunked']) + `+0\r\n\r\n${smuggled}`],
  ['a chunk size in 0x', head(['transfer-encoding: chunked']) + `0x0\r\n\r\n${smuggled}`],
  ['a chunk that ends in LF', head(['transfer-encoding: chunked']) + `1\nZ\n0\n\n${smuggled}`],
  ['a chunk longer than said', head(['transfer-encoding: chunked']) + `1\r\nZZ\r\n0\r\n\r\n${smuggled}`],
  [
    'a chunk size beyond 64 bits',
    head(['transfer-encoding: chunked']) + `10000000000000001\r\nZ\r\n0\r\n\r\n${smuggled}`,
  ],
  ['CR in a value', head(['x: a\rb'])],
  ['LF in a value', head(['x: a\nsmuggled: b'])],
  ['NUL in a value', head(['x: a\0b'])],
  ['NUL in a name', head(['x\0y: a'])],
  ['a space in a name', head(['x y: a'])],
  ['no name', head([': a'])],
  ['no colon', head(['justaname'])],
  ['a folded line', head(['x: a', ' folded: b'])],
  ['a folded first line', `POST /bank/v1/a HTTP/1.1\r\n folded: b\r\nhost: x\r\n\r\n`],
  ['a head that ends in bare LF', 'POST /bank/v1/a HTTP/1.1\nhost: x\n\n'],
  ['a head that ends in CR CR LF', 'POST /bank/v1/a HTTP/1.1\r\nhost: x\r\r\n\r\n'],
  ['no host', 'GET /bank/v1/a HTTP/1.1\r\n\r\n'],
  ['two hosts', 'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n'],
  ['a space in the path', 'GET /bank/v1/a b HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a NUL in the path', 'GET /bank/v1/a\0b HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a tab in the path', 'GET /bank/v1/a\tb HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['high bytes in the path', 'GET /bank/v1/\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a fragment', 'GET /bank/v1/a#b HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['an absolute target', 'GET http://evil.test/bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a target without slash', 'GET bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a target of a star', 'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a backslash', 'GET \\bank\\v1\\a HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['an unknown method', 'BREW /bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a method in lower case', 'get /bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['TRACE', 'TRACE /bank/v1/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
  ['CONNECT', 'CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test:443\r\n\r\n'],
  ['HTTP/0.9', 'GET /bank/v1/a\r\n\r\n'],
  ['HTTP/1.0', 'GET /bank/v1/a HTTP/1.0\r\nhost: x\r\n\r\n'],
  ['HTTP/3.7', 'GET /bank/v1/a HTTP/3.7\r\nhost: x\r\n\r\n'],
  ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
  ['a TLS hello', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
  ['a strange expectation', head(['expect: 200-maybe', 'content-length: 0'])],
]

test.each(badFraming)('B14: %s is answered once, with a refusal, and nothing leaves', async (_what, bytes) => {
  const { door, upstream } = await world()
  const answer = await rawTo(door, Buffer.from(bytes, 'latin1'))
  expect(statusesOf(answer)).toEqual([
    expect.toSatisfy((status: number) => (status >= 400 && status < 500) || status === 505),
  ])
  expect(answer).toMatch(/"code":"[a-z-]+"/)
  expect(upstream.seen).toHaveLength(0)
  // The door serves on.
  expect((await fetchBy(door, { path: '/bank/v1/after' })).status).toBe(201)
})

test('B14: what stands after a whole request is another request, with rules of its own', async () => {
  const { door, upstream } = await world()
  const answer = await rawTo(
    door,
    'POST /bank/v1/a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhelloPOST /bank/v1/payouts HTTP/1.1\r\nhost: x\r\n\r\n' +
      'GET /bank/v1/b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
  )
  expect(statusesOf(answer)).toEqual([201, 403, 201])
  const seen = upstream.seen.map(({ method, url, body }) => `${method} ${url} ${body}`)
  expect(new Set(seen)).toEqual(new Set(['POST /v1/a hello', 'GET /v1/b ']))
})

test('B14: a chunked body goes out framed anew: extensions and trailers stay behind', async () => {
  const { door, upstream } = await world()
  const answer = await rawTo(
    door,
    `${head(['transfer-encoding: chunked', 'trailer: x-late'])}5;ext="a;b"\r\nhello\r\n0;last\r\nx-late: forged\r\nauthorization: Bearer forged\r\n\r\n`,
  )
  expect(statusesOf(answer)).toEqual([201])
  const [seen] = upstream.seen
  expect(seen!.body).toBe('hello')
  expect(JSON.stringify(seen!.rawHeaders)).not.toMatch(/late|forged|trailer/i)
})

test('B14: a header flood is refused whole, by bytes and by number, and no header is dropped unseen', async () => {
  const { door, upstream } = await world({}, ['payer/0001', 'payer/0002'])
  const large = await rawTo(door, `GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)
  expect(statusesOf(large)).toEqual([431])
  expect(large).toContain('"code":"too-large"')
  // Node keeps the first 2,000 and drops the others; the second name of an agent must not be among those.
  const many = Array.from({ length: 2_100 }, () => 'a:\r\n').join('')
  const flood = await rawTo(
    door,
    `GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nx-sitter-agent: payer/0001\r\n${many}x-sitter-agent: payer/0002\r\nconnection: close\r\n\r\n`,
  )
  expect(statusesOf(flood)).toEqual([431])
  expect(upstream.seen).toHaveLength(0)
  const some = Array.from({ length: 200 }, (_, index) => `x-${index}: y\r\n`).join('')
  const fine = await rawTo(
    door,
    `GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nx-sitter-agent: payer/0001\r\n${some}connection: close\r\n\r\n`,
  )
  expect(statusesOf(fine)).toEqual([201])
  expect(Object.keys(upstream.seen[0]!.headers).filter((name) => name.startsWith('x-'))).toHaveLength(200)
})

test("B14: a credential's header is replaced, never added to, however it is written", async () => {
  const { door, upstream } = await world()
  for (const name of ['authorization', 'Authorization', 'AUTHORIZATION', 'aUtHoRiZaTiOn']) {
    await fetchBy(door, { path: '/bank/v1/a', headers: { [name]: 'Bearer forged', [`${name} `.trim()]: 'Basic x' } })
    const raw = upstream.seen.at(-1)!.rawHeaders
    const values = raw.filter((_one, index) => index % 2 === 1 && raw[index - 1]!.toLowerCase() === 'authorization')
    expect(values).toEqual([`Bearer ${canary}`])
  }
})

test('B14: hop-by-hop headers and those that `connection` names stop here, in both directions', async () => {
  const { door, upstream } = await world()
  const hops = {
    connection: 'keep-alive, X-Named, authorization',
    'keep-alive': 'timeout=99',
    'proxy-connection': 'keep-alive',
    'proxy-authorization': 'Basic eDp5',
    te: 'trailers',
    'x-named': 'yes',
  }
  upstream.answer((_seen, response) => {
    response.writeHead(200, {
      connection: 'keep-alive, x-back',
      'x-back': 'yes',
      'proxy-authenticate': 'Basic',
      'proxy-authentication-info': 'x',
      upgrade: 'h2c',
      trailer: 'x-late',
      'x-sitter-cost': 'forged',
      'x-kept': 'yes',
      'set-cookie': 'a=b',
    })
    response.write('ok')
    response.addTrailers({ 'x-late': 'late', 'set-cookie': 'c=d' })
    response.end()
  })
  const answer = await fetchBy(door, { path: '/bank/v1/a', headers: hops })
  const out = upstream.seen[0]!.headers
  for (const name of ['keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'x-named'])
    expect([name, out[name]]).toEqual([name, undefined])
  // What the gate says itself, it says even if an agent names it.
  expect(out['authorization']).toBe(`Bearer ${canary}`)
  for (const name of ['x-back', 'proxy-authenticate', 'proxy-authentication-info', 'upgrade', 'trailer', 'set-cookie'])
    expect([name, answer.headers[name]]).toEqual([name, undefined])
  expect(answer.headers).toMatchObject({ 'x-kept': 'yes', 'x-sitter-cost': '0.01 XTS' })
})

test('B14: a granted request with controls in a header, its path or its method is refused and never sent', async () => {
  const { sitter, upstream } = await world()
  const bad = [
    { headers: { 'x-a': 'b\r\nsmuggled: yes' } },
    { headers: { 'x-a': 'b\nsmuggled: yes' } },
    { headers: { 'x-a': 'b\0' } },
    { headers: { 'x-a\r\nsmuggled': 'yes' } },
    { headers: { 'x a': 'yes' } },
    { headers: { '': 'yes' } },
    { headers: { 'x-a': 'snowman ☃' } },
    { headers: { 'Transfer-Encoding': 'chunked' } },
    { headers: { 'Content-Length': '3' } },
    { headers: { Host: 'evil.test' } },
    { path: '/v1/payouts HTTP/1.1\r\nhost: evil.test\r\n\r\nGET /' },
    { path: '/v1/payouts\r\n' },
    { path: '/v1/payouts\0' },
    { path: '/v1/payouts#x' },
    { path: '/v1/ćė' },
    { path: 'http://evil.test/v1/payouts' },
    { path: '//evil.test/v1/payouts' },
    { method: 'POST /v1/x HTTP/1.1\r\n\r\nGET' },
    { method: 'post' },
    { method: 'POST ' },
    { method: 'CONNECT' },
  ]
  for (const more of bad) {
    const grant = grantFor(more)
    sitter.link.grant([grant])
    expect([more, (await sitter.callOf(grant.grant)).outcome]).toEqual([
      more,
      expect.objectContaining({ kind: 'not-sent', code: 'not-allowed' }),
    ])
  }
  expect(upstream.seen).toHaveLength(0)
})

test('B16: headers named like parts of a prototype are headers like any, in both directions', async () => {
  const names = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', '__defineGetter__']
  const { door, upstream } = await world()
  const lines = names.map((name) => `${name}: one\r\n${name}: two\r\n`).join('')
  const answer = await rawTo(door, `GET /bank/v1/a HTTP/1.1\r\nhost: x\r\n${lines}connection: close\r\n\r\n`)
  expect(statusesOf(answer)).toEqual([201])
  const raw = upstream.seen[0]!.rawHeaders
  for (const name of names) expect([name, raw.filter((one) => one === name).length]).toEqual([name, 2])
  const { door: other } = await speaking((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${lines}content-length: 2\r\n\r\nok`)
  })
  const back = await rawTo(other, 'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  for (const name of names)
    expect([name, back.toLowerCase().split(`\n${name.toLowerCase()}: `).length - 1]).toEqual([name, 2])
})

test('B16: a hundred thousand colliding keys in an answer cost the gate no more than their bytes', async () => {
  // Integer-like keys collided by design before Node 24.14.1; here only what a profile reads is parsed, and 64 KiB of it.
  const keys = Array.from({ length: 200_000 }, (_, index) => `"${(index * 65_536) % 4_294_967_291}":1`).join(',')
  const opened = await openDoorTo(await openUpstream(), {
    profile: { codeAt: ['error.code'], rules: [{ code: ['x'], class: 'funds' }], limits: {} } as never,
  })
  closing.push(opened.close)
  opened.upstream.answer((_seen, response) => {
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(`{${keys}}`)
  })
  const begunMs = performance.now()
  const answer = await fetchBy(opened.door, { path: '/bank/v1/a' })
  expect([answer.status, answer.body.length]).toEqual([400, keys.length + 2])
  expect(performance.now() - begunMs).toBeLessThan(5_000)
})

const badAnswers: readonly (readonly [what: string, bytes: string])[] = [
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nokabc'],
  [
    'length and chunks',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  ],
  ['a bad chunk size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n'],
  ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok'],
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2p1\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok'],
  ['a control in a value', 'HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok'],
  [
    'a switch of protocols nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello',
  ],
  ['a head larger than the bound', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(70_000)}\r\ncontent-length: 2\r\n\r\nok`],
  ['an end in the middle of the head', 'HTTP/1.1 200 OK\r\ncontent-le'],
  ['nothing at all', ''],
]

test.each(badAnswers)('B14: an upstream that answers with %s is an answer that was lost', async (_what, bytes) => {
  const { door, listener } = await speaking((socket) => {
    socket.end(Buffer.from(bytes, 'latin1'))
  })
  const answer = await fetchBy(door, { method: 'POST', path: '/bank/v1/a', body: 'x' }).then(
    ({ status, body }) => [status, (JSON.parse(body) as { code: string }).code],
    () => 'cut',
  )
  // Where the head had been believed already, the agent sees the cut.
  if (answer !== 'cut') expect(answer).toEqual([502, 'outcome-unknown'])
  expect(listener.connections()).toBe(1)
})

test('B14: what an upstream says after its answer is never taken for the answer to the next call', async () => {
  const { door, listener } = await speaking((socket, request, count) => {
    const own = `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nown-${count}`
    socket.write(request.includes('/split') ? `${own}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged` : own)
  })
  for (let call = 1; call <= 6; call += 1) {
    const answer = await fetchBy(door, { path: call % 2 === 1 ? '/bank/v1/split' : '/bank/v1/plain' })
    expect(answer.body).toBe(`own-${call}`)
  }
  expect(listener.heard().split('GET ').length - 1).toBe(6)
})

test('B14: a folded header of an upstream comes on as one line or not at all', async () => {
  const { door } = await speaking((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx-a: one\r\n two\r\ncontent-length: 2\r\n\r\nok')
  })
  const answer = await rawTo(door, 'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  expect(statusesOf(answer)).toEqual([expect.toSatisfy((status: number) => status === 200 || status === 502)])
  expect(answer).not.toMatch(/one\r\n two/)
})
