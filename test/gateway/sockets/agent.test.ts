/** `ctx.socket` of the SDK, by a cell's door through the real gate to an upstream that speaks WebSocket. */
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import type { SocketInit } from '../../../src/agent/agent.ts'
import { gateSocket } from '../../../src/cell/pool/gatesocket.ts'
import { waitFor } from '../../../src/work/waits.ts'
import { openDoorTo } from '../door.ts'
import { canary, type UpstreamRules } from '../harness.ts'
import { openSocketUpstream } from './ends.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}) => {
  const far = await openSocketUpstream()
  const opened = await openDoorTo(far.upstream, { allow: ['GET /v1/**', 'WEBSOCKET /v1/stream/*'], ...more })
  closing.push(opened.close)
  const open = gateSocket(opened.door)
  const abort = new AbortController()
  const socket = (path = '/bank/v1/stream/orders?x=1', init: SocketInit = {}) =>
    open({ agent: 'payer/0001', epoch: 1, attempt: null, path, init, signal: abort.signal })
  return { ...opened, ...far, abort, socket }
}

test('Text and bytes pass both ways in order; the credential is the gate’s, the agent and its subprotocols are named', async () => {
  const { socket, handshakes } = await world()
  const init = { protocols: ['two', 'one'], headers: { 'x-kept': 'yes', authorization: 'Bearer forged' } }
  const one = await socket(undefined, init)
  expect(one.protocol).toBe('two')
  const [handshake] = handshakes
  expect(handshake!.url).toBe('/v1/stream/orders?x=1')
  expect(handshake!.headers).toMatchObject({ authorization: `Bearer ${canary}`, 'x-kept': 'yes' })
  for (let at = 0; at < 300; at += 1) await one.send(`message ${at}`)
  await one.send(new Uint8Array([0, 255, 128]))
  const heard: (string | Uint8Array)[] = []
  for await (const message of one) {
    heard.push(message)
    if (heard.length === 301) one.close(4_001, 'enough')
  }
  expect(heard.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, at) => `message ${at}`))
  expect([...(heard[300] as Uint8Array)]).toEqual([0, 255, 128])
  expect(await one.closed).toEqual({ code: 4_001, reason: 'enough' })
  expect(one.bufferedAmount).toBe(0)
  await expect(one.send('late')).rejects.toMatchObject({ code: 'socket-closed', kind: 'transient' })
})

test('Whatever is no socket is a failure with the gate’s code, or the upstream’s own words', async () => {
  const { socket, sitter, upstream } = await world({ allow: ['GET /v1/**', 'WEBSOCKET /v1/stream/*'] })
  await expect(socket('/bank/v1/other')).rejects.toMatchObject({ code: 'not-allowed', status: 403 })
  await expect(socket('/elsewhere/v1/stream/a')).rejects.toMatchObject({ code: 'not-allowed' })
  await expect(socket('bank/v1/stream/a')).rejects.toThrow('must begin with /')
  await expect(socket('/bank/v1/stream/../x')).rejects.toThrow('more than one way')
  await sitter.link.freeze(true, 'test')
  const frozen = (await socket().catch((error: unknown) => error)) as Error & { code: string; waitsFor?: string }
  expect(frozen).toMatchObject({ code: 'frozen', kind: 'transient', waitsFor: 'call bank' })
  expect(waitFor(frozen)).toBe('maintenance')
  await sitter.link.freeze(false, 'test')
  await upstream.close()
  await expect(socket()).rejects.toMatchObject({ code: 'upstream-unreachable', status: 503 })
})

test('A gate that is not there is gate-lost, and one that makes its door a moment later is waited for', async () => {
  const open = gateSocket('/nowhere/cell.sock')
  const asked = {
    agent: 'payer/0001',
    epoch: 1,
    attempt: null,
    path: '/bank/v1/stream/a',
    init: {},
    signal: new AbortController().signal,
  }
  await expect(open(asked)).rejects.toMatchObject({ code: 'gate-lost', kind: 'transient' })
})

test('An end in order ends the iteration, and any other is a failure that says which', async () => {
  const { socket, serve, close } = await world()
  const readAll = async (): Promise<readonly (string | Uint8Array)[]> => {
    const heard = []
    for await (const message of await socket()) heard.push(message)
    return heard
  }
  serve((far) => {
    far.send('one')
    far.close(1000, 'done')
  })
  expect(await readAll()).toEqual(['one'])
  serve((far) => far.close(4_003, 'your session is over'))
  await expect(readAll()).rejects.toMatchObject({
    code: 'socket-closed',
    message: 'the socket was closed with 4003: your session is over',
  })
  serve((far) => far.terminate())
  await expect(readAll()).rejects.toMatchObject({ code: 'gate-lost' })
  serve((far) => far.send('hello'))
  const last = await socket()
  const reading = (async () => {
    for await (const message of last) expect(message).toBe('hello')
  })()
  closing = []
  await Promise.all([close(), expect(reading).rejects.toMatchObject({ code: 'gate-lost', kind: 'transient' })])
  expect((await last.closed).code).toBe(1001)
})

test('A freeze closes it with the next message, in words that park its task', async () => {
  const { socket, sitter } = await world()
  const one = await socket()
  await sitter.link.freeze(true, 'test')
  await one.send('is anybody there')
  const read = async (): Promise<void> => {
    for await (const message of one) throw new Error(`heard ${String(message)}`)
  }
  const error = (await read().catch((thrown: unknown) => thrown)) as Error & { code: string }
  expect(error).toMatchObject({ code: 'frozen', kind: 'transient' })
  expect(waitFor(error)).toBe('maintenance')
})

test('An attempt that is given up cuts its sockets, those that are being opened too', async () => {
  const { socket, abort, open } = await world()
  const one = await socket()
  const reading = (async () => {
    for await (const _ of one);
  })()
  expect(open.size).toBe(1)
  const why = new Error('given up')
  abort.abort(why)
  await expect(reading).rejects.toBe(why)
  await expect(one.send('x')).rejects.toBe(why)
  await expect(socket()).rejects.toBe(why)
  await expect.poll(() => open.size).toBe(0)
})

test('Who does not read is not sent more than is held for it, and later gets all of it, in order', async () => {
  const { socket, serve } = await world()
  const [size, count] = [100_000, 500]
  let left = 0
  serve((far) => {
    for (let at = 0; at < count; at += 1) far.send(String(at).padEnd(size), () => (left += 1))
  })
  const one = await socket()
  let before = -1
  while (left !== before) {
    before = left
    await wait(300)
  }
  // Of 50 MB so much as kernels and the two of us hold.
  expect(left).toBeLessThan(count / 2)
  let at = 0
  for await (const message of one) {
    expect(Number(message)).toBe(at)
    at += 1
    if (at === count) break
  }
  expect(left).toBe(count)
  one.close()
  expect((await one.closed).code).toBe(1000)
})

test('A message over the bound is refused before it is sent', async () => {
  const { socket } = await world()
  const one = await socket()
  await expect(one.send('x'.repeat(1_048_577))).rejects.toMatchObject({ code: 'too-large', kind: 'permanent' })
  await one.send('still open')
  for await (const message of one) {
    expect(message).toBe('still open')
    break
  }
  one.close()
})
