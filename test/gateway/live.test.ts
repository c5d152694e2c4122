/** Other rules for a gate that runs: calls under way end, calls that wait are judged anew, the new rules hold at once. */
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { fetchBy, grantFor, openWorld, rulesFor, setSecret, type UpstreamRules } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream, more)
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  opened.sitter.link.openCell({
    cell: 'cel_1',
    socketPath: door,
    type: 'payer',
    agents: ['payer/0001'],
    upstreams: ['bank', 'other'],
  })
  // A question is answered after the cell was announced; its door opens in the same turn or soon after.
  const get = async (path: string): ReturnType<typeof fetchBy> => {
    for (;;) {
      try {
        return await fetchBy(door, { path })
      } catch (error) {
        if (!['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
    }
  }
  await get('/nowhere/')
  return { ...opened, upstream, get }
}
const codeOf = (body: string): unknown => (JSON.parse(body) as { code: unknown }).code
const oncePerMinute = [
  {
    per: 'upstream',
    rate: { count: 1, windowMs: 60_000 },
    burst: 1,
    guard: 0,
    window: 'smooth',
    match: [],
    weights: [],
  },
] as const

test('an allow-list that is narrower holds for the next call, a wider one too', async () => {
  const { get, take, upstream } = await world()
  expect((await get('/bank/v1/a')).status).toBe(201)
  await take(rulesFor(upstream, { allow: ['GET /v2/**'] }))
  expect(codeOf((await get('/bank/v1/a')).body)).toBe('not-allowed')
  expect((await get('/bank/v2/a')).status).toBe(201)
  expect(upstream.seen.map(({ url }) => url)).toEqual(['/v1/a', '/v2/a'])
})

test('another address: the call under way ends where it began, the next one goes to the new place', async () => {
  const { get, take, upstream } = await world()
  const next = await openUpstream()
  closing.push(() => next.close())
  const held = Promise.withResolvers<ServerResponse>()
  upstream.answer((_seen, response) => held.resolve(response))
  const slow = get('/bank/v1/slow')
  const response = await held.promise
  await take(rulesFor(next))
  expect((await get('/bank/v1/next')).status).toBe(201)
  response.end('late')
  expect(await slow).toMatchObject({ status: 200, body: 'late' })
  expect([upstream.seen.length, next.seen.map(({ url }) => url)]).toEqual([1, ['/v1/next']])
})

test('a call that waits is judged by the rules that hold when it may go', async () => {
  const { get, take, sitter, upstream } = await world({ limits: oncePerMinute, parkAfterMs: 600_000 })
  expect((await get('/bank/v1/first')).status).toBe(201)
  const waiting = get('/bank/v1/second')
  const grant = grantFor({}, { waitMs: 60_000 })
  sitter.link.grant([grant])
  for (let queued = 0; queued < 2;) ({ queued } = await sitter.link.status())
  await take(
    rulesFor(upstream, {
      allow: ['POST /v1/payouts'],
      limits: [
        {
          per: 'upstream',
          rate: { count: 1_000, windowMs: 1_000 },
          burst: 10,
          guard: 0,
          window: 'smooth',
          match: [],
          weights: [],
        },
      ],
    }),
  )
  expect(codeOf((await waiting).body)).toBe('not-allowed')
  // The payment is still allowed, and does not wait for the minute of the old limit.
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'answered', status: 201 })
  expect(upstream.seen.map(({ url }) => url)).toEqual(['/v1/first', '/v1/payouts'])
})

test('an upstream that is gone refuses; a new one, and a new credential, can be used at once', async () => {
  const { get, take, sitter, upstream, gate } = await world()
  const { upstreams } = rulesFor(upstream)
  const other = { ...upstreams['bank']!, name: 'other', credential: 'fresh' }
  await take({
    name: 'testswarm',
    upstreams: { other },
    credentials: { fresh: { name: 'fresh', pool: [] } },
    budgets: {},
  })
  expect(codeOf((await get('/bank/v1/a')).body)).toBe('not-allowed')
  expect(codeOf((await get('/other/v1/a')).body)).toBe('credential-unavailable')
  await setSecret(sitter, 'secret-of-fresh', 'fresh')
  expect((await get('/other/v1/a')).status).toBe(201)
  expect(upstream.seen.at(-1)!.headers['authorization']).toBe('Bearer secret-of-fresh')
  await expect(setSecret(sitter, 'x', 'bank')).rejects.toMatchObject({ code: 'not-found' })
  expect(gate.status().upstreams.map(({ name }) => name)).toEqual(['other'])
})
