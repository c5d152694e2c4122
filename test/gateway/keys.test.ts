/** Of a pool, a call whose effect nobody knows keeps its credential, by its idempotency key. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { rotation, rulesOf, untilOpen } from '../vault/rotation/world.ts'
import { fetchBy, newPlace, setSecret, startGate, startSitter } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const rules = rulesOf(upstream, rotation({ rotator: { by: 'person' } }), ['bank-a', 'bank-b'])
  const once = { ...rules, upstreams: { bank: { ...rules.upstreams['bank']!, retries: null } } }
  let epoch = 0
  let end: (() => Promise<void>) | undefined
  const door = join(place.directory, 'cell.sock')
  const start = async () => {
    await end?.()
    const { gate } = await startGate(place, once)
    const sitter = startSitter(place, (epoch += 1))
    await sitter.linked()
    sitter.link.openCell({
      cell: 'cel_1',
      socketPath: door,
      type: 'payer',
      agents: ['payer/0001'],
      upstreams: ['bank'],
    })
    await untilOpen(door)
    end = async () => {
      await sitter.link.stop()
      await gate.stop()
    }
    return sitter
  }
  closing.push(() => end?.())
  let status = 201
  upstream.answer((seen, response) => {
    // The first member is refused by everything but what was under way with it.
    if (status === 0) return void response.destroy()
    response.writeHead(status === 201 && seen.headers['authorization'] === 'Bearer secret-a' ? 401 : status)
    response.end()
  })
  return {
    start,
    /** 0 = the answer is lost. */
    answers: (next: number) => {
      status = next
    },
    send: (key: string) =>
      fetchBy(door, { method: 'POST', path: '/bank/v1/orders', headers: { 'idempotency-key': key }, body: '{}' }),
    by: () => upstream.seen.map(({ headers }) => String(headers['authorization']).slice(-1)).join(''),
  }
}

test('over a restart of the gate the same key goes out with the same credential, until its answer is clear', async () => {
  const { start, answers, send, by } = await world()
  const sitter = await start()
  await setSecret(sitter, 'secret-a', 'bank-a')
  await setSecret(sitter, 'secret-b', 'bank-b')
  answers(0)
  await send('order-1')
  expect(by()).toBe('a')
  // From now on the other one goes first.
  answers(201)
  await send('order-2')
  await send('order-3')
  expect(by()).toBe('aab')
  await start()
  await send('order-4')
  await send('order-5')
  expect(by()).toBe('aabab')
  answers(409)
  await send('order-1')
  // It said nothing of the first try: that is still open.
  await send('order-1')
  expect(by()).toBe('aababaa')
  answers(200)
  await send('order-1')
  answers(201)
  // It is free again: refused with the first, the next one goes out with the other.
  await send('order-1')
  await send('order-1')
  expect(by()).toBe('aababaaaab')
})
