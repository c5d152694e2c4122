/** WebSockets of agents through the gate: what opens, what passes, what is bounded, and how they end. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { asUpstream, openDoorTo, rawTo, statusesOf } from '../door.ts'
import { canary, type Shortened, type UpstreamRules } from '../harness.ts'
import { listenAt } from '../listeners.ts'
import { openUpstream } from '../upstream.ts'
import { openBy, openSocketUpstream } from './ends.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}, agents?: readonly string[], shortened: Shortened = {}) => {
  const far = await openSocketUpstream()
  const allow = ['GET /v1/**', 'WEBSOCKET /v1/stream/*']
  const opened = await openDoorTo(far.upstream, { allow, timeoutMs: 3_000, ...more }, agents, shortened)
  closing.push(opened.close)
  return { ...opened, ...far }
}

test('a socket opens with the credential in its handshake, and text and bytes pass both ways in order', async () => {
  const { door, handshakes, sitter } = await world()
  const headers = {
    host: 'gate',
    authorization: 'Bearer forged',
    cookie: 'a=b',
    'x-kept': 'yes',
    origin: 'https://a.test',
  }
  const client = await openBy(door, '/bank/v1/stream/orders?x=1', { headers }, ['two', 'one'])
  expect(client.socket.protocol).toBe('two')
  const [handshake] = handshakes
  expect(handshake!.url).toBe('/v1/stream/orders?x=1')
  expect(handshake!.headers).toMatchObject({
    authorization: `Bearer ${canary}`,
    'x-kept': 'yes',
    origin: 'https://a.test',
    'sec-websocket-protocol': 'two,one',
  })
  for (const name of ['cookie', 'sec-websocket-extensions', 'x-sitter-agent'])
    expect([name, handshake!.headers[name]]).toEqual([name, undefined])
  for (let at = 0; at < 200; at += 1) client.socket.send(`message ${at}`)
  client.socket.send(Buffer.from([0, 255, 128]))
  for (let at = 0; at < 200; at += 1) expect(await client.next()).toBe(`message ${at}`)
  expect(await client.next()).toBe('\0\xff\x80')
  expect(sitter.uses.flat()).toMatchObject([{ method: 'WEBSOCKET', upstream: 'bank', decision: 'allowed' }])
  client.socket.close(4_001, 'enough')
  expect(await client.closed).toEqual({ code: 4_001, reason: 'enough' })
  await expect.poll(async () => (await sitter.link.status()).inFlight).toBe(0)
  expect((await sitter.link.status()).upstreams[0]).toMatchObject({ calls: 1, byStatus: { 101: 1 } })
})

test('an open socket is a use of the version that opened it, until it has closed', async () => {
  const { door, sitter } = await world()
  const inUse = async (): Promise<Readonly<Record<string, number>>> =>
    (await sitter.link.vaultList()).renewals.find(({ name }) => name === 'bank')!.inUse
  const client = await openBy(door, '/bank/v1/stream/orders')
  client.socket.send('still here')
  expect(await client.next()).toBe('still here')
  expect(await inUse()).toEqual({ 1: 1 })
  client.socket.close()
  await client.closed
  await expect.poll(inUse).toEqual({})
  // One that the upstream does not take is none.
  await expect(openBy(door, '/bank/v1/stream/../nothing')).rejects.toThrow()
  expect(await inUse()).toEqual({})
})

test('what an upstream says is blotted of the secret, in messages, in its reason for closing and in its refusals', async () => {
  const { door, serve } = await world()
  serve((socket, request) => {
    const secret = String(request.headers['authorization']).slice(7)
    socket.send(`you are ${secret}`)
    socket.send(Buffer.from(`${Buffer.from(`a:${secret}`).toString('base64')}`), { binary: true })
    socket.on('message', () => socket.close(4_000, `bye ${secret}`))
  })
  const client = await openBy(door, '/bank/v1/stream/a')
  expect(await client.next()).toBe(`you are ${'*'.repeat(canary.length)}`)
  expect(await client.next()).not.toContain(Buffer.from(canary.slice(3)).toString('base64').slice(4, 16))
  client.socket.send('close')
  expect(await client.closed).toEqual({ code: 4_000, reason: `bye ${'*'.repeat(canary.length)}` })
})

test('only a route that the allow-list has for WEBSOCKET opens; its GET is another route, and no other upgrade is heard', async () => {
  const { door, connections } = await world({ money: ['POST /v1/payouts', 'WEBSOCKET /v1/stream/orders'] })
  await expect(openBy(door, '/bank/v1/other')).rejects.toThrow(/403 .*"code":"not-allowed"/)
  await expect(openBy(door, '/bank/v1/stream/a/b')).rejects.toThrow(/"code":"not-allowed"/)
  await expect(openBy(door, '/elsewhere/v1/stream/a')).rejects.toThrow(/"code":"not-allowed"/)
  await expect(openBy(door, '/bank/v1/stream/orders')).rejects.toThrow(/"code":"intent-required"/)
  await expect(openBy(door, '/nothing')).rejects.toThrow(/403/)
  expect(connections()).toBe(0)
  const head = (lines: string): string =>
    `GET /bank/v1/stream/a HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\n${lines}\r\n`
  const key = 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  for (const [lines, status] of [
    [`upgrade: websocket\r\n${key}`, 426],
    [`upgrade: websocket\r\nsec-websocket-version: 8\r\n${key}`, 426],
    ['upgrade: websocket\r\nsec-websocket-version: 13\r\n', 400],
    ['upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: short\r\n', 400],
    [`upgrade: websocket\r\nsec-websocket-version: 13\r\n${key}sec-websocket-protocol: a, a\r\n`, 400],
    [`upgrade: websocket\r\nsec-websocket-version: 13\r\n${key}sec-websocket-protocol: a b\r\n`, 400],
    [`upgrade: websocket\r\nsec-websocket-version: 13\r\n${key}content-length: 3\r\n\r\nabc`, 400],
    [`upgrade: websocket\r\nhost: y\r\nsec-websocket-version: 13\r\n${key}`, 400],
    // A GET of a path that is no GET route, whatever it wants to become.
    [`upgrade: h2c\r\n`, 404],
  ] as const)
    expect([lines, statusesOf(await rawTo(door, head(lines)))]).toEqual([lines, [status]])
})

test('what an upstream answers instead comes as an answer; an address that may not be connected to is not connected to', async () => {
  const { door } = await world({ allow: ['WEBSOCKET /v1/**'] })
  // Its server has sockets at every path; this one closes before.
  const plain = await openUpstream()
  plain.answer((seen, response) => {
    response.writeHead(401, {
      'www-authenticate': 'Bearer',
      'x-echo': String(seen.headers['authorization']),
      'set-cookie': 'a=b',
    })
    response.end(`no ${String(seen.headers['authorization'])}`)
  })
  const opened = await openDoorTo(plain, { allow: ['WEBSOCKET /v1/**'] })
  closing.push(opened.close)
  const error = (await openBy(opened.door, '/bank/v1/a').catch((caught: unknown) => caught)) as Error & {
    readonly answer: IncomingMessage
  }
  expect(error.message).toBe(`401 no Bearer ${'*'.repeat(canary.length)}`)
  expect(error.answer.headers).toMatchObject({
    'www-authenticate': 'Bearer',
    'x-echo': `Bearer ${'*'.repeat(canary.length)}`,
    'x-sitter-call': expect.stringMatching(/^\d+$/) as string,
  })
  expect(error.answer.headers['set-cookie']).toBe(undefined)
  plain.answer((_seen, response) => response.writeHead(302, { location: 'http://127.0.0.9/' }).end())
  await expect(openBy(opened.door, '/bank/v1/a')).rejects.toThrow(/^302/)
  plain.answer((_seen, _response, request) => request.socket.destroy())
  await expect(openBy(opened.door, '/bank/v1/a')).rejects.toThrow(/502 .*"code":"outcome-unknown"/)
  expect(plain.seen).toHaveLength(3)
  const forbidden = await listenAt('127.0.0.1')
  const other = await openDoorTo(asUpstream(forbidden), { grant: [], allow: ['WEBSOCKET /v1/**'] })
  closing.push(other.close)
  await expect(openBy(other.door, '/bank/v1/a')).rejects.toThrow(/503 .*"code":"upstream-unreachable"/)
  expect(forbidden.connections()).toBe(0)
  expect((await openBy(door, '/bank/v1/a')).socket.readyState).toBe(WebSocket.OPEN)
})

test('a message over its bound ends the socket with 1009 on both sides, whoever says it, and nothing of it passes', async () => {
  const { door, serve, open } = await world()
  const heard: number[] = []
  const ends: number[] = []
  serve((socket) => {
    socket.on('message', (data) => {
      heard.push((data as Buffer).length)
      if ((data as Buffer).toString() === 'say') socket.send(Buffer.alloc(1_048_577))
    })
    socket.on('close', (code) => ends.push(code))
  })
  const one = await openBy(door, '/bank/v1/stream/a')
  one.socket.send(Buffer.alloc(1_048_576))
  one.socket.send(Buffer.alloc(1_048_577))
  expect(await one.closed).toMatchObject({ code: 1009 })
  await expect.poll(() => open.size).toBe(0)
  expect(heard).toEqual([1_048_576])
  const two = await openBy(door, '/bank/v1/stream/a')
  two.socket.send('say')
  expect((await two.closed).code).toBe(1009)
  await expect.poll(() => open.size).toBe(0)
  expect(ends).toEqual([1009, 1009])
})

test('whoever reads slowly slows the other down: what waits in the gate stays small', async () => {
  const { door, serve } = await world({ timeoutMs: 60_000 })
  let sent = 0
  serve((socket) => {
    const chunk = Buffer.alloc(65_536)
    const more = (): void => {
      if (sent >= 600) return
      sent += 1
      socket.send(chunk, more)
    }
    more()
  })
  const client = await openBy(door, '/bank/v1/stream/a')
  client.socket.pause()
  const before = process.memoryUsage().rss
  // It goes on while buffers of the kernel take it, and then no more.
  let last = -1
  while (sent !== last) {
    last = sent
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(sent).toBeLessThan(300)
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1_048_576)
  client.socket.resume()
  await expect.poll(() => sent).toBe(600)
})

test('a side that does not read for as long as a call may take is cut, with the other', async () => {
  const { door, serve, open } = await world({ timeoutMs: 300 })
  serve((socket) => {
    const chunk = Buffer.alloc(1_000_000)
    const more = (): void => socket.send(chunk, (error) => !error && more())
    more()
  })
  const client = await openBy(door, '/bank/v1/stream/a')
  client.socket.pause()
  await expect.poll(() => open.size).toBe(0)
  client.socket.resume()
  expect((await client.closed).code).toBe(1006)
})

test('a side that is not heard of for 30 s, for it answers no ping, is cut, with the other; who answers stays', async () => {
  const { door, serve, open } = await world({}, undefined, { 30_000: 150 })
  // Its end of the connection is there and says nothing any more.
  serve((socket, request) => {
    if (request.url?.endsWith('deaf') === true) (socket as unknown as { _socket: Socket })._socket.pause()
  })
  const [deaf, well] = [await openBy(door, '/bank/v1/stream/deaf'), await openBy(door, '/bank/v1/stream/well')]
  expect((await deaf.closed).code).toBe(1006)
  expect(well.socket.readyState).toBe(WebSocket.OPEN)
  for (const socket of open) socket.terminate()
})

test.each(['the agent goes away', 'its cell is gone', 'the upstream is cut', 'the gate ends'] as const)(
  'when %s, both sides end and nothing is left in hand',
  async (how) => {
    const { door, open, gate, sitter, upstream, place } = await world()
    const client = await openBy(door, '/bank/v1/stream/a')
    client.socket.send('hello')
    expect(await client.next()).toBe('hello')
    expect(gate.status().inFlight).toBe(1)
    if (how === 'the agent goes away') client.socket.terminate()
    if (how === 'its cell is gone') sitter.link.closeCell('cel_1')
    if (how === 'the upstream is cut') for (const socket of open) socket.terminate()
    const begunMs = performance.now()
    if (how === 'the gate ends') {
      closing.pop()
      closing.push(async () => {
        await sitter.link.stop()
        await upstream.close()
        place.remove()
      })
      await gate.stop()
      // It does not wait for what would never end by itself.
      expect(performance.now() - begunMs).toBeLessThan(5_000)
    }
    const { code } = await client.closed
    expect(code).toBe(how === 'the gate ends' ? 1001 : 1006)
    await expect.poll(() => open.size).toBe(0)
    if (how !== 'the gate ends') await expect.poll(() => gate.status().inFlight).toBe(0)
  },
)

test('an agent that goes away while its upstream has not answered leaves nothing open there', async () => {
  const held: (() => void)[] = []
  const silent = await listenAt('127.0.0.1', 0, (socket) => {
    held.push(() => socket.end())
  })
  const opened = await openDoorTo(asUpstream(silent), { allow: ['WEBSOCKET /v1/**'], timeoutMs: 60_000 })
  closing.push(opened.close)
  const socket = connect(opened.door)
  socket.write(
    'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await expect.poll(() => held.length).toBe(1)
  socket.destroy()
  await expect.poll(() => opened.gate.status().inFlight).toBe(0)
})

test('modes: no socket opens in a mode that changes nothing, and one that is open says nothing more', async () => {
  const { door, sitter, serve } = await world()
  const heard: string[] = []
  serve((socket) => socket.on('message', (data) => heard.push((data as Buffer).toString())))
  const client = await openBy(door, '/bank/v1/stream/a')
  client.socket.send('one')
  await expect.poll(() => heard).toEqual(['one'])
  await sitter.link.freeze(true, 'test')
  client.socket.send('two')
  expect(await client.closed).toEqual({ code: 1008, reason: 'frozen' })
  await expect(openBy(door, '/bank/v1/stream/a')).rejects.toThrow(/"code":"frozen"/)
  await sitter.link.freeze(false, 'test')
  expect(heard).toEqual(['one'])
  expect((await openBy(door, '/bank/v1/stream/a')).socket.readyState).toBe(WebSocket.OPEN)
})

test('a route that is taken from the allow-list is closed with the next message', async () => {
  const opened = await world()
  const client = await openBy(opened.door, '/bank/v1/stream/a')
  const { bank } = opened.rules.upstreams
  await opened.take({ ...opened.rules, upstreams: { bank: { ...bank!, allow: ['GET /v1/**'] } } })
  client.socket.send('one')
  expect(await client.closed).toEqual({ code: 1008, reason: 'not-allowed' })
})

test('limits: a place of a concurrency limit is held until the end, and messages that are counted wait for their rate', async () => {
  const { door, serve, sitter } = await world({
    parkAfterMs: 100,
    limits: [
      { per: 'upstream', concurrent: 1, match: ['WEBSOCKET /v1/**'] },
      {
        per: 'upstream',
        rate: { count: 10, windowMs: 1_000 },
        burst: 2,
        guard: 0,
        window: 'smooth',
        match: ['MESSAGE /v1/stream/*'],
        weights: [],
      },
    ],
  })
  const heardMs: number[] = []
  serve((socket) => socket.on('message', () => heardMs.push(performance.now())))
  const client = await openBy(door, '/bank/v1/stream/a')
  await expect(openBy(door, '/bank/v1/stream/a')).rejects.toThrow(/429 .*"code":"limited"/)
  for (let at = 0; at < 12; at += 1) client.socket.send(`message ${at}`)
  await expect.poll(() => heardMs.length).toBe(12)
  // Two at once, the other ten a tenth of a second apart.
  expect(heardMs.at(-1)! - heardMs[0]!).toBeGreaterThan(850)
  client.socket.close()
  await client.closed
  await expect.poll(async () => (await sitter.link.status()).inFlight).toBe(0)
  expect((await openBy(door, '/bank/v1/stream/a')).socket.readyState).toBe(WebSocket.OPEN)
})

test('frames that are none, and bytes that are no text, end the socket and harm nobody else', async () => {
  const { door, open, gate } = await world()
  const other = await openBy(door, '/bank/v1/stream/a')
  for (const bytes of [
    '\xff\xff\xff\xff',
    '\x81\x05hello',
    '\x83\x80\0\0\0\0',
    '\x81\x82\0\0\0\0\xc3\x28',
    '\x89\xff\x7f\xff\xff',
  ]) {
    const socket = connect(door)
    socket.write(
      'GET /bank/v1/stream/a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
        'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
    await once(socket, 'data')
    socket.write(bytes, 'latin1')
    socket.on('data', () => {})
    await once(socket, 'close')
  }
  await expect.poll(() => open.size).toBe(1)
  other.socket.send('still here')
  expect(await other.next()).toBe('still here')
  expect(gate.status().inFlight).toBe(1)
})

test('a program that knows no gate opens a socket through its tunnel, and to no other host in it', async () => {
  const { door, upstream, handshakes, connections } = await world()
  const tunnel = async (): Promise<Socket> => {
    const socket = connect(door)
    socket.write(`CONNECT ${upstream.host} HTTP/1.1\r\nhost: ${upstream.host}\r\n\r\n`)
    expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 200/)
    return socket
  }
  const open = async (host: string): Promise<string> => {
    const through = await tunnel()
    const socket = new WebSocket(`ws://${upstream.host}/v1/stream/a`, {
      headers: { host, authorization: 'Bearer placeholder' },
      createConnection: () => through,
    } as ClientOptions)
    return new Promise((resolve) => {
      socket.on('open', () => socket.send('hello'))
      socket.on('message', (data) => {
        resolve((data as Buffer).toString())
        socket.close()
      })
      socket.on('unexpected-response', (_request, answer) => resolve(String(answer.statusCode)))
    })
  }
  expect(await open('evil.test')).toBe('403')
  expect(connections()).toBe(0)
  expect(await open(upstream.host)).toBe('hello')
  expect(handshakes[0]!.headers['authorization']).toBe(`Bearer ${canary}`)
})
