/** What people see of upstreams that hold calls back, where nobody configured a limit. */
import { afterEach, expect, test } from 'vitest'
import { openRotationWorld, rotation, rulesOf } from '../vault/rotation/world.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async () => {
  const upstream = await openUpstream()
  const rules = rulesOf(upstream, rotation({ rotator: { by: 'person' } }), ['bank-a', 'bank-b'])
  const opened = await openRotationWorld(upstream as never, rules)
  closing.push(opened.close)
  await opened.set('secret-of-member-a', 'bank-a')
  await opened.set('secret-of-member-b', 'bank-b')
  const seen = async () => {
    const [bank] = (await opened.sitter.link.status()).upstreams
    return bank!
  }
  return { ...opened, upstream, seen }
}

test('a pause that was asked for is seen with its end and whose it is, where no limit is configured', async () => {
  const { upstream, call, seen } = await world()
  expect((await seen()).paused).toEqual([])
  upstream.answer((_, response) => void response.writeHead(503, { 'retry-after': '600' }).end())
  const fromMs = Date.now()
  expect((await call()).status).toBe(503)
  const { limits, paused } = await seen()
  expect(limits).toEqual([])
  expect(paused).toEqual([
    { whose: 'credential', credential: 'bank-a', why: 'asked', untilMs: expect.any(Number) as number },
  ])
  expect(paused[0]!.untilMs).toBeGreaterThan(fromMs + 599_000)
  expect(paused[0]!.untilMs).toBeLessThan(Date.now() + 606_000)
})

test('a ban is seen as one, and whose it is', async () => {
  const { upstream, call, seen } = await world()
  upstream.answer((_, response) => void response.writeHead(418, { 'retry-after': '600' }).end())
  expect((await call()).status).toBe(418)
  expect((await seen()).paused.map(({ whose, credential, why }) => [whose, credential, why])).toEqual([
    ['credential', 'bank-a', 'banned'],
  ])
})

test('the pace that was found where a provider refuses and says nothing is seen', async () => {
  const { upstream, call, seen } = await world()
  upstream.answer((_, response) => void response.writeHead(429).end())
  expect((await call()).status).toBe(429)
  expect((await seen()).paces).toEqual([{ credential: 'bank-a', perSecond: expect.any(Number) as number }])
})
