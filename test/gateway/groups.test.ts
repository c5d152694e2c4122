/** Calls that go in groups (groups.ts): what is wrong with one of them is no matter of the others. */
import { once } from 'node:events'
import { createServer, ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { gatherMoment, gatherTurn } from '../../src/gateway/groups.ts'
import { openOutbound } from '../../src/gateway/outbound.ts'
import { answerBy } from '../../src/gateway/tries.ts'
import { realClock } from '../../src/std/real/real.ts'
import { untilOpen } from './cell-door.ts'
import { openExchangeWorld } from './exchange-world.ts'
import { fetchBy, openWorld } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

test('What comes in one turn is done together and in its order; what comes by that is the next group', async () => {
  const done: string[] = []
  const over = Promise.withResolvers<void>()
  const give = gatherMoment((what: string) => {
    done.push(`given ${what}`)
    if (what === 'c') over.resolve()
  })
  const hear = gatherTurn((what: string) => {
    done.push(`heard ${what}`)
    if (what === 'a') hear('c')
    void Promise.resolve().then(() => give(what))
  })
  hear('a')
  hear('b')
  expect(done).toEqual([])
  await over.promise
  expect(done).toEqual(['heard a', 'heard b', 'given a', 'given b', 'heard c', 'given c'])
})

test('An answer that its receiver cannot take is lost, and the others of its turn are told', async () => {
  const server = createServer((_request, response) => response.end('all of it'))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const outbound = openOutbound({ url: `http://${host}`, grant: [host] }, realClock())
  closing.push(
    () => server.close(),
    () => outbound.close(),
  )
  const ask = async (head: () => void): Promise<string> => {
    let text = ''
    const request = { method: 'GET', target: '/', headers: [], body: null, timeoutMs: 10_000 }
    const data = (chunk: Buffer): boolean => {
      text += chunk.toString()
      return true
    }
    const ended = await outbound.send(request, { started: () => {}, head, data }).ended
    return ended.kind === 'answered' ? text : `${ended.kind}: ${ended.message}`
  }
  const bad = (): void => {
    throw new Error('such a head has no answer')
  }
  const told = await Promise.all([ask(() => {}), ask(bad), ask(() => {}), ask(bad), ask(() => {})])
  const lost = 'lost: such a head has no answer'
  expect(told).toEqual(['all of it', lost, 'all of it', lost, 'all of it'])
})

test('Who is gone before its turn has come does not stand in line', async () => {
  const upstream = await openUpstream()
  const hourly = { count: 1, windowMs: 3_600_000 }
  const rated = { per: 'upstream', rate: hourly, burst: 1, guard: 0, window: 'smooth', match: [], weights: [] } as const
  const world = await openWorld(upstream, { limits: [rated], parkAfterMs: 7_200_000 })
  closing.push(world.close)
  const door = join(world.place.directory, 'cell.sock')
  const agents = ['payer/0001']
  world.sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  await untilOpen(door)
  expect(await fetchBy(door, { path: '/bank/v1/accounts' })).toMatchObject({ status: 201 })
  const ask = (then: (socket: Socket) => void): Socket => {
    const socket = connect(door, () => {
      socket.write('GET /bank/v1/accounts HTTP/1.1\r\nhost: x\r\n\r\n')
      then(socket)
    })
    closing.push(() => socket.destroy())
    return socket
  }
  const queued = (): number => world.gate.status().queued
  ask(() => {})
  while (queued() === 0) await new Promise((resolve) => setImmediate(resolve))
  // Of some the gate finds both at once: what they ask, and that they are gone.
  const gone = Array.from({ length: 20 }, () =>
    once(
      ask((socket) => socket.destroy()),
      'close',
    ),
  )
  await Promise.all(gone)
  const last = await fetchBy(door, { path: '/nowhere/v1/accounts' })
  expect(last.status).toBe(403)
  for (let turn = 0; turn < 300; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  expect(queued()).toBe(1)
  expect(upstream.seen).toHaveLength(1)
})

test('Who goes away while the beginning of its call is written leaves nothing under way', async () => {
  const { room, provider } = openExchangeWorld(1)
  const writing = Promise.withResolvers<number>()
  Object.assign(room.journal, { begin: () => writing.promise })
  const asker = {
    response: new ServerResponse({} as never),
    whole: null,
    isGone: false,
    leave: () => {},
    flow: undefined,
  }
  const agents = new Set(['trader/0001'])
  const seat = { cell: 'cell', agents, upstreams: new Set(['exchange']), epochs: new Map(), ended: new Set<string>() }
  const answered = answerBy(
    {
      grant: null,
      seat,
      subject: null,
      agent: null,
      upstreamName: 'exchange',
      method: 'GET',
      target: '/api/v3/account',
      headers: [],
      body: null,
      bodyBytes: null,
      waitMs: null,
      epoch: 1,
      onWaiting: () => {},
    },
    asker,
    room,
  )
  asker.isGone = true
  writing.resolve(1)
  // Its time does not pass: whoever waited for the provider would wait for ever.
  expect(await answered).toMatchObject({ with: 'problem' })
  expect(provider.log).toEqual([])
})

test('An answer that nobody reads is held up in its connection, and goes on when it is read', async () => {
  const parts = 16_000
  const part = Buffer.alloc(1_000, 'x')
  const upstream = await openUpstream()
  const sent = { bytes: 0 }
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    const say = (): void => {
      while (sent.bytes < parts * part.length) {
        sent.bytes += part.length
        if (!response.write(part)) return void response.once('drain', say)
      }
      response.end()
    }
    say()
  })
  const warnings: string[] = []
  const warned = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', warned)
  closing.push(() => process.off('warning', warned))
  const { sitter, place, close } = await openWorld(upstream, { price: null, credential: null })
  closing.push(close)
  const door = join(place.directory, 'cell.sock')
  const agents = ['payer/0001']
  sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  await untilOpen(door)
  const socket = connect(door)
  closing.push(() => socket.destroy())
  socket.pause()
  socket.write('GET /bank/v1/accounts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  // It stands still when nothing more is said for many turns.
  for (let still = 0, before = -1; still < 2_000; still += 1) {
    if (before !== sent.bytes || sent.bytes === 0) still = 0
    before = sent.bytes
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(sent.bytes).toBeLessThan((parts * part.length) / 2)
  let bytes = 0
  socket.on('data', (chunk) => {
    bytes += chunk.length
  })
  await once(socket.resume(), 'close')
  expect(sent.bytes).toBe(parts * part.length)
  expect(bytes).toBeGreaterThan(parts * part.length)
  expect(warnings).toEqual([])
})
