import { createHmac } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import type { Signing } from '../../src/model/model.ts'
import { openRotationWorld, rotation, rulesOf, type RotationWorld } from '../vault/rotation/world.ts'
import { fetchBy } from './harness.ts'
import { openUpstream, type TestUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (signing: Signing, secret: string): Promise<RotationWorld & { upstream: TestUpstream }> => {
  const upstream = await openUpstream()
  const rules = rulesOf(upstream, rotation({ rotator: { by: 'person' } }))
  const bank = { ...rules.credentials['bank']!, signing }
  const opened = await openRotationWorld(upstream as never, { ...rules, credentials: { bank } })
  closing.push(opened.close)
  await opened.set(secret)
  return { ...opened, upstream }
}
const hmac: Signing = { kind: 'hmac', keyHeader: 'x-mbx-apikey', windowMs: 5_000 }
const form = { 'content-type': 'application/x-www-form-urlencoded' }

test('a signed call arrives with the signature of exactly what arrived, by the clock of its upstream', async () => {
  const { door, upstream } = await world(hmac, 'key-of-mine:secret-of-mine')
  let aheadMs = 3_600_000
  upstream.answer((_, response) => {
    response.sendDate = false
    response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString())
    response.end('{}')
  })
  const send = () =>
    fetchBy(door, { method: 'POST', path: '/bank/v1/order?symbol=A%2FB', headers: form, body: 'q=1&p=0.1' })
  for (let call = 0; call < 2; call += 1) expect((await send()).status).toBe(200)
  aheadMs = 0
  for (let call = 0; call < 2; call += 1) expect((await send()).status).toBe(200)
  const times = upstream.seen.map(({ url, body, headers }) => {
    const [signed, signature] = url.split('?')[1]!.split('&signature=')
    expect(signature).toBe(
      createHmac('sha256', 'secret-of-mine')
        .update(signed! + body)
        .digest('hex'),
    )
    expect(headers).toMatchObject({ 'x-mbx-apikey': 'key-of-mine', 'content-length': '9' })
    expect(headers['authorization']).toBe(undefined)
    return Number(/timestamp=(\d+)/.exec(signed!)![1]) - Date.now()
  })
  expect(times.map((ms) => Math.abs(Math.round(ms / 3_600_000)))).toEqual([0, 1, 1, 0])
})

test('a body that is to be signed has a bound and is text, and the gate adds its own parameters', async () => {
  const { door, upstream } = await world(hmac, 'key-of-mine:secret-of-mine')
  const post = (path: string, body: string | Buffer) => fetchBy(door, { method: 'POST', path, headers: form, body })
  expect((await post('/bank/v1/order', 'x'.repeat(1_048_577))).status).toBe(413)
  expect((await post('/bank/v1/order', Buffer.from([0xff, 0xfe, 0x00]))).status).toBe(422)
  expect((await post('/bank/v1/order?timestamp=1', 'a=1')).status).toBe(422)
  expect(upstream.seen).toEqual([])
  expect((await post('/bank/v1/order', 'x'.repeat(1_048_576))).status).toBe(201)
})

test('a secret that has not the form of its kind is not kept, and one that has not any more is not sent', async () => {
  const opened = await world({ kind: 'bearer' }, 'no-colon-in-here')
  const { call, upstream, sitter, set } = opened
  const { running } = opened
  const basic = { ...running.rules.credentials['bank']!, signing: { kind: 'basic' } } as const
  running.rules = { ...running.rules, credentials: { bank: basic } }
  await sitter.link.config()
  for (const wrong of ['another-without-one', 'ann7:', ':pass7', 'us er:pass\nword', ' q7:b7']) {
    const refused = await set(wrong).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'invalid', message: expect.stringContaining('user:password') as string })
    expect(String(refused)).toContain('sitter vault set bank')
    expect(String(refused)).not.toContain(wrong)
  }
  expect((await sitter.link.vaultList()).credentials.map(({ version }) => version)).toEqual([1])
  const { status, body } = await call()
  expect({ status, body }).toMatchObject({ status: 503, body: expect.stringContaining('user:password') as string })
  expect(body).not.toContain('no-colon-in-here')
  expect(upstream.seen).toEqual([])
})
