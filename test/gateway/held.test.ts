/** What people see of upstreams that hold calls back, where nobody configured a limit. */
import { afterEach, expect, test } from 'vitest'
import { openRotationWorld, rotation, rulesOf } from '../vault/rotation/world.ts'
import type { UpstreamRules } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const plain = rulesOf(upstream, rotation({ rotator: { by: 'person' } }), ['bank-a', 'bank-b'])
  const rules = { ...plain, upstreams: { bank: { ...plain.upstreams['bank']!, ...more } } }
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

const exceeded = JSON.stringify({
  type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  'violated-policies': ['day'],
})

test('a limit that is named by a problem document is used up until its window ends, without any profile', async () => {
  const { upstream, call, seen } = await world({ parkAfterMs: 200 })
  const headers = { 'ratelimit-policy': '"day";q=100;w=600', ratelimit: '"day";r=50;t=600' }
  upstream.answer((_, response) => void response.writeHead(200, headers).end())
  expect((await call()).status).toBe(200)
  upstream.answer((_, response) =>
    response.writeHead(400, { 'content-type': 'application/problem+json' }).end(exceeded),
  )
  expect((await call()).status).toBe(400)
  const { learned, paused } = await seen()
  expect(learned.map(({ name, left }) => [name, left])).toEqual([['day', 0]])
  expect(paused).toEqual([])
  expect((await call()).status).toBe(429)
  expect(upstream.seen).toHaveLength(2)
})

test('a problem document of a limit that names nothing known pauses like any refusal that names no wait', async () => {
  const { upstream, call, seen } = await world()
  upstream.answer((_, response) =>
    response.writeHead(503, { 'content-type': 'application/problem+json; charset=utf-8' }).end(exceeded),
  )
  expect((await call()).status).toBe(503)
  expect((await seen()).paused.map(({ credential, why }) => [credential, why])).toEqual([['bank-a', 'asked']])
})
