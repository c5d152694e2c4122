/** Programs that know nothing of a gate, at its door: what they reach, as what, and what they do not. */
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import type { Rules } from '../../../src/gateway/gateway.ts'
import { untilOpen } from '../../vault/rotation/world.ts'
import { rawTo, statusesOf } from '../door.ts'
import {
  canary,
  fetchBy,
  newPlace,
  rulesFor,
  setSecret,
  startGate,
  startSitter,
  type Shortened,
  type UpstreamRules,
} from '../harness.ts'
import { listenAt } from '../listeners.ts'
import { openUpstream } from '../upstream.ts'
import { openSecureUpstream } from './secure.ts'

let closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

/** A cell that may call `bank` (TLS) and `shop` (plain); `till` is an upstream of somebody else. */
const world = async (
  more: Partial<UpstreamRules> = {},
  agents: readonly string[] = ['payer/0001'],
  signing?: Rules['credentials'][string]['signing'],
  shortened: Shortened = {},
) => {
  const [bank, shop, till] = [await openSecureUpstream('127.0.0.2'), await openUpstream(), await openUpstream()]
  const base = rulesFor(shop)
  const rule = base.upstreams['bank']!
  const shopRule = { ...rule, name: 'shop', credential: null, allow: ['GET /v1/**'] }
  const rules = {
    ...base,
    credentials: { bank: { name: 'bank', pool: [], ...(signing && { signing }) } },
    upstreams: {
      bank: { ...rule, url: bank.url, grant: [bank.host], ...more },
      shop: shopRule,
      till: { ...shopRule, name: 'till', url: `http://${till.host}`, grant: [till.host] },
    },
  }
  const place = newPlace()
  const running = await startGate(place, rules, shortened)
  const sitter = startSitter(place)
  await sitter.linked()
  await setSecret(sitter, signing?.kind === 'hmac' ? `key-id:${canary}` : canary)
  const door = join(place.directory, 'cell.sock')
  sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank', 'shop'] })
  await untilOpen(door)
  closing.push(async () => {
    await sitter.link.stop()
    await running.gate.stop()
    await Promise.all([bank.close(), shop.close(), till.close()])
    place.remove()
  })
  const { body: pem } = await fetchBy(door, { path: '/.gate/ca.pem' })
  return { ...running, sitter, door, bank, shop, till, pem }
}

/** What is said at a CONNECT: the head of the answer, and the socket behind it. */
const tunnelTo = (door: string, authority: string, more = ''): Promise<{ head: string; socket: Socket }> =>
  new Promise((resolve, reject) => {
    const socket = connect(door, () => {
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${more}\r\n`)
    })
    socket.once('data', (chunk) => resolve({ head: chunk.toString(), socket }))
    socket.on('error', reject)
    socket.once('close', () => resolve({ head: '', socket }))
  })

const secured = (socket: Socket, options: ConnectionOptions): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const secure = connectTls({ ...options, socket }, () => resolve(secure))
    secure.on('error', reject)
    secure.on('close', () => reject(new Error('closed before it was secure')))
  })

/** All that comes after these bytes until the other side closes. */
const saidAfter = (socket: Socket, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let said = ''
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1')
    })
    socket.on('error', () => {
      /* a cut is an end as well */
    })
    socket.on('close', () => resolve(said))
    socket.write(bytes)
  })

const get = (path: string, host: string, more = ''): string =>
  `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${more}\r\n`

test('a program reaches its upstream by TLS through a tunnel, with a placeholder for its credential', async () => {
  const { door, bank, pem } = await world()
  bank.answer((request, response) => {
    response.end(`you said ${request.headers['authorization']}`)
  })
  const { head, socket } = await tunnelTo(door, bank.host)
  expect(head).toMatch(/^HTTP\/1\.1 200 /)
  const secure = await secured(socket, { ca: pem, host: '127.0.0.2', ALPNProtocols: ['h2', 'http/1.1'] })
  expect([secure.authorized, secure.alpnProtocol]).toEqual([true, 'http/1.1'])
  const said = await saidAfter(
    secure,
    get('/v1/accounts?x=1', bank.host, 'authorization: Bearer placeholder\r\nproxy-authorization: Basic eA==\r\n'),
  )
  expect(statusesOf(said)).toEqual([200])
  expect(said).toContain(`you said Bearer ${'*'.repeat(canary.length)}`)
  expect(said).toMatch(/x-sitter-call: \d+/)
  expect(bank.seen).toHaveLength(1)
  expect(bank.seen[0]).toMatchObject({
    method: 'GET',
    url: '/v1/accounts?x=1',
    headers: { host: bank.host, authorization: `Bearer ${canary}` },
  })
  expect(bank.seen[0]!.headers['proxy-authorization']).toBe(undefined)
})

test('an upstream without TLS is reached by a whole URL, and through a tunnel; several requests on one connection', async () => {
  const { door, shop } = await world()
  const whole = await rawTo(
    door,
    `GET http://${shop.host}/v1/a?b=c HTTP/1.1\r\nhost: ${shop.host}\r\nproxy-connection: keep-alive\r\n\r\n` +
      get(`http://${shop.host}/v1/b`, shop.host),
  )
  expect(statusesOf(whole)).toEqual([201, 201])
  const { socket } = await tunnelTo(door, shop.host)
  const inside = await saidAfter(socket, get('/v1/c', shop.host))
  expect(statusesOf(inside)).toEqual([201])
  expect(shop.seen.map(({ url }) => url).toSorted((one, other) => (one < other ? -1 : 1))).toEqual([
    '/v1/a?b=c',
    '/v1/b',
    '/v1/c',
  ])
  expect(shop.seen[0]!.headers).not.toHaveProperty('proxy-connection')
})

test('no other host has a tunnel, however it is written, and no connection is made anywhere', async () => {
  const { door, bank, shop, till } = await world()
  const elsewhere = await listenAt('127.0.0.3')
  closing.push(elsewhere.close)
  const { port } = bank
  const authorities = [
    `127.0.0.3:${elsewhere.port}`,
    till.host,
    `127.0.0.2:${port + 1}`,
    `127.0.0.2.:${port}`,
    `127.2:${port}`,
    `0x7f.0.0.2:${port}`,
    `0x7f000002:${port}`,
    `2130706434:${port}`,
    `0177.0.0.2:${port}`,
    `[::ffff:127.0.0.2]:${port}`,
    `[127.0.0.2]:${port}`,
    `user@127.0.0.2:${port}`,
    `127.0.0.2:${port}@evil.test:443`,
    `127.0.0.2:0${port}`,
    `127.0.0.2:${port}.`,
    `127.0.0.2:${port}#`,
    `127.0.0.2:${port}/`,
    `127.0.0.2:${port + 65_536}`,
    `http://127.0.0.2:${port}`,
    '127.0.0.2',
    `localhost:${shop.port}`,
    'evil.test:443',
    '169.254.169.254:80',
    '[fe80::1]:443',
    '*:443',
  ]
  for (const authority of authorities) {
    const { head, socket } = await tunnelTo(door, authority)
    socket.destroy()
    expect([authority, head.slice(0, 12)]).toEqual([authority, expect.stringMatching(/^HTTP\/1\.1 4(00|03)/)])
    const whole = await rawTo(door, get(`http://${authority}/v1/a`, authority))
    if (authority !== `127.0.0.2:${port}#` && authority !== `127.0.0.2:${port}/`)
      expect([authority, statusesOf(whole)]).toEqual([
        authority,
        [expect.toSatisfy((one) => one === 403 || one === 400)],
      ])
  }
  expect([elsewhere.connections(), bank.connections(), shop.seen.length, till.seen.length]).toEqual([0, 0, 0, 0])
})

test('within a tunnel there is no way to another host: not by Host, by name of TLS, by URL or by a second tunnel', async () => {
  const { door, bank, shop, pem } = await world()
  const inTunnel = async (bytes: string): Promise<string> => {
    const { socket } = await tunnelTo(door, bank.host)
    return saidAfter(await secured(socket, { ca: pem, host: '127.0.0.2' }), bytes)
  }
  for (const bytes of [
    get('/v1/a', shop.host),
    get('/v1/a', `${bank.host}.evil.test`),
    get('/v1/a', '127.0.0.2'),
    get(`http://${shop.host}/v1/a`, shop.host),
    get(`https://${bank.host}/v1/a`, bank.host),
    get('//evil.test/v1/a', bank.host),
    get('/bank/v1/a', bank.host),
    get('/.gate/ca.pem', bank.host),
    `CONNECT ${shop.host} HTTP/1.1\r\nhost: ${shop.host}\r\n\r\n`,
    `OPTIONS * HTTP/1.1\r\nhost: ${bank.host}\r\nconnection: close\r\n\r\n`,
  ])
    expect([bytes, statusesOf(await inTunnel(bytes))]).toEqual([bytes, [403]])
  // Another name in the handshake ends it, whatever its certificate would say.
  for (const servername of ['evil.test', 'localhost', 'a'.repeat(250), 'x\u00ff', '127.0.0.2.']) {
    const { socket } = await tunnelTo(door, bank.host)
    await expect(
      secured(socket, { ca: pem, servername, rejectUnauthorized: false }).then((secure) =>
        saidAfter(secure, get('/v1/a', bank.host)).then((said) => {
          if (said === '') throw new Error('ended')
        }),
      ),
    ).rejects.toThrow()
  }
  // What is no TLS is answered by nobody.
  const { socket } = await tunnelTo(door, bank.host)
  expect(await saidAfter(socket, get('/v1/a', bank.host))).not.toMatch(/HTTP\/1\.1/)
  expect([bank.seen.length, bank.connections(), shop.seen.length]).toEqual([0, 0, 0])
})

test('the rules of the gate hold in a tunnel: allow-list, money, freeze, and the journal', async () => {
  const { door, bank, pem, sitter } = await world()
  const ask = async (bytes: string): Promise<string> => {
    const { socket } = await tunnelTo(door, bank.host)
    return saidAfter(await secured(socket, { ca: pem, host: '127.0.0.2' }), bytes)
  }
  expect(await ask(get('/v2/a', bank.host))).toContain('"code":"not-allowed"')
  expect(
    await ask(`POST /v1/payouts HTTP/1.1\r\nhost: ${bank.host}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}`),
  ).toContain('"code":"intent-required"')
  expect(bank.connections()).toBe(0)
  expect(statusesOf(await ask(get('/v1/a', bank.host)))).toEqual([200])
  await sitter.link.freeze(true, 'test')
  expect(await ask(get('/v1/a', bank.host))).toContain('"code":"frozen"')
  await sitter.link.freeze(false, 'test')
  expect(bank.seen).toHaveLength(1)
  const { upstreams } = await sitter.link.status()
  expect(upstreams.find(({ name }) => name === 'bank')).toMatchObject({ byStatus: { 200: 1 } })
  expect(sitter.uses.flat()).toMatchObject([
    { agent: 'payer/0001', cell: 'cel_1', upstream: 'bank', decision: 'allowed' },
  ])
})

test('a program of a cell with several agents says which it is in the address of its proxy', async () => {
  const { door, bank, pem } = await world({}, ['payer/0001', 'payer/0002'])
  const basic = (user: string): string => `proxy-authorization: Basic ${Buffer.from(user).toString('base64')}\r\n`
  const ask = async (more: string, inside = ''): Promise<string> => {
    const { socket } = await tunnelTo(door, bank.host, more)
    return saidAfter(await secured(socket, { ca: pem, host: '127.0.0.2' }), get('/v1/a', bank.host, inside))
  }
  expect(statusesOf(await ask(basic('payer/0002:x')))).toEqual([200])
  expect(statusesOf(await ask('', 'x-sitter-agent: payer/0001\r\n'))).toEqual([200])
  for (const more of ['', basic('payer/0003:x'), basic('other/0001'), 'proxy-authorization: Bearer payer/0001\r\n'])
    expect(await ask(more)).toContain('"code":"not-your-agent"')
  expect(bank.seen).toHaveLength(2)
})

test.each([
  ['query', { kind: 'query', parameter: 'key' }, 'key=placeholder', /^\/v1\/a\?x=1&key=canary/],
  [
    'hmac',
    { kind: 'hmac', keyHeader: 'x-key', windowMs: 5_000 },
    'timestamp=1&recvWindow=9&signature=00',
    /^\/v1\/a\?x=1&recvWindow=5000&timestamp=\d{13}&signature=[0-9a-f]{64}$/,
  ],
] as const)(
  'what a program has put where a credential of kind %s goes is replaced',
  async (kind, signing, said, sent) => {
    const { door, bank, pem } = await world({}, ['payer/0001'], signing)
    const { socket } = await tunnelTo(door, bank.host)
    const secure = await secured(socket, { ca: pem, host: '127.0.0.2' })
    const answer = await saidAfter(secure, get(`/v1/a?${said}&x=1`, bank.host, 'x-key: placeholder\r\n'))
    expect(statusesOf(answer)).toEqual([200])
    expect(bank.seen[0]!.url).toMatch(sent)
    if (kind === 'hmac') expect(bank.seen[0]!.headers['x-key']).toBe('key-id')
    // An agent that knows the gate is told of its mistake.
    const known = await fetchBy(door, { path: `/bank/v1/a?${said}` })
    expect([known.status, known.body]).toEqual([422, expect.stringContaining('leave it out')])
  },
)

test('a tunnel that says nothing, or is cut in its handshake, ends and leaves nothing behind', async () => {
  const { door, bank, gate, sitter } = await world()
  const { socket: cut } = await tunnelTo(door, bank.host)
  cut.write(Buffer.from('160301020001', 'hex'))
  cut.destroy()
  const { socket: silent } = await tunnelTo(door, bank.host)
  const ended = new Promise((resolve) => silent.on('close', resolve))
  sitter.link.closeCell('cel_1')
  await ended
  expect(gate.status().cells).toBe(0)
  expect(bank.connections()).toBe(0)
})

test('a tunnel whose handshake is not done within 10 s is cut, and one that has done its own goes on', async () => {
  const { door, bank, pem } = await world({}, ['payer/0001'], undefined, { 10_000: 2_000 })
  const { socket } = await tunnelTo(door, bank.host)
  const secure = await secured(socket, { ca: pem, host: '127.0.0.2' })
  const { socket: silent } = await tunnelTo(door, bank.host)
  const { socket: begun } = await tunnelTo(door, bank.host)
  begun.write(Buffer.from('160301020001', 'hex'))
  await Promise.all([silent, begun].map((one) => new Promise((resolve) => one.on('close', resolve))))
  expect(statusesOf(await saidAfter(secure, get('/v1/a', bank.host)))).toEqual([200])
  expect(bank.connections()).toBe(1)
})
