/** Breakers and learned limits through the real gate: what reaches a provider that fails, and one that counts. */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { profiles } from '../../src/config/profiles.ts'
import { fetchBy, grantFor, openWorld, type UpstreamRules } from './harness.ts'
import { openUpstream, type TestUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules>) => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream, more)
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  opened.sitter.link.openCell({
    cell: 'cel_1',
    socketPath: door,
    type: 'payer',
    agents: ['payer/0001'],
    upstreams: ['bank'],
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
  return { ...opened, upstream, get }
}
const codeOf = (body: string): unknown => (JSON.parse(body) as { code: unknown }).code
/** Long enough for twenty refusals on a machine that is very busy. */
const breaker = { share: 0.5, volume: 5, probeMs: 2_000 }

const fail = (upstream: TestUpstream, status: number): void =>
  upstream.answer((_seen, response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end('{"code":"no"}')
  })
const work = (upstream: TestUpstream): void => upstream.answer((_seen, response) => response.end('ok'))

test('A provider that fails is left alone but for one probe at a time, and used again when a probe succeeds', async () => {
  const { get, upstream, sitter, gate } = await world({ breaker })
  fail(upstream, 500)
  for (let count = 0; count < 5; count += 1) expect((await get('/bank/v1/a')).status).toBe(500)
  const refused = await get('/bank/v1/a')
  expect(codeOf(refused.body)).toBe('breaker-open')
  expect(refused.status).toBe(503)
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  const others = await Promise.all(Array.from({ length: 20 }, () => get('/bank/v1/b')))
  expect(new Set(others.map(({ body }) => codeOf(body)))).toEqual(new Set(['breaker-open']))
  expect(upstream.seen).toHaveLength(5)
  expect(gate.status().upstreams[0]!.breakers).toMatchObject([
    { endpoint: 'GET /v1/**', state: 'open', failedProbes: 0 },
  ])
  // Payments have an endpoint class of their own: they are not held up by what agents read.
  work(upstream)
  const grant = grantFor({}, { waitMs: 60_000 })
  sitter.link.grant([grant])
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'answered', status: 200 })
  fail(upstream, 502)
  // The probe that fails puts the next one off.
  const before = upstream.seen.length
  const seen = upstream.reached(before + 1)
  while (upstream.seen.length === before) await get('/bank/v1/a')
  await seen
  expect(codeOf((await get('/bank/v1/a')).body)).toBe('breaker-open')
  expect(upstream.seen.length).toBe(before + 1)
  work(upstream)
  while ((await get('/bank/v1/a')).status !== 200);
  expect(upstream.seen.length).toBe(before + 2)
  expect((await get('/bank/v1/a')).status).toBe(200)
})

test('A probe that finds nobody puts the next one off as any that fails', async () => {
  const { get, upstream, gate } = await world({ breaker })
  fail(upstream, 500)
  for (let count = 0; count < 5; count += 1) await get('/bank/v1/a')
  await upstream.close()
  while (codeOf((await get('/bank/v1/a')).body) === 'breaker-open');
  expect(gate.status().upstreams[0]!.breakers).toMatchObject([{ state: 'open', failedProbes: 1 }])
  expect(codeOf((await get('/bank/v1/a')).body)).toBe('breaker-open')
})

test("A provider's own code counts though it is packed", async () => {
  const sick = { code: ['sick'], class: 'unknown' } as const
  const { get, upstream } = await world({
    breaker,
    profile: { name: 'own', codeAt: ['code'], rules: [sick], limits: {} },
  })
  upstream.answer((_seen, response) => {
    response.writeHead(400, { 'content-encoding': 'gzip' })
    response.end(gzipSync('{"code":"sick"}'))
  })
  for (let count = 0; count < 5; count += 1) expect((await get('/bank/v1/a')).status).toBe(400)
  expect(codeOf((await get('/bank/v1/a')).body)).toBe('breaker-open')
})

test('A limit that refuses by 403 and names no wait is left alone for a minute; a refused key is not', async () => {
  const { get, upstream } = await world({ breaker, profile: profiles['github']! })
  const refuse = (message: string): void =>
    upstream.answer((_seen, response) => {
      response.writeHead(403, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ message }))
    })
  refuse('Resource not accessible by personal access token')
  expect((await get('/bank/v1/a')).status).toBe(403)
  refuse('You have exceeded a secondary rate limit. Please wait a few minutes before you try again.')
  expect((await get('/bank/v1/a')).status).toBe(403)
  const seen = upstream.seen.length
  expect(seen).toBe(2)
  const answer = await get('/bank/v1/a')
  expect(codeOf(answer.body)).toBe('limited')
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(60)
  expect(upstream.seen).toHaveLength(seen)
})

test('A payment waits for the probe of its own endpoint, and is that probe', async () => {
  const { upstream, sitter } = await world({ breaker })
  fail(upstream, 503)
  for (let count = 0; count < 5; count += 1) {
    const grant = grantFor({}, { waitMs: 60_000 })
    sitter.link.grant([grant])
    expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'answered', status: 503 })
  }
  work(upstream)
  const grants = [grantFor({}, { waitMs: 60_000 }), grantFor({}, { waitMs: 60_000 })]
  sitter.link.grant(grants)
  for (const grant of grants)
    expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'answered', status: 200 })
  expect(upstream.seen).toHaveLength(7)
  expect(upstream.seen[5]!.atMs - upstream.seen[4]!.atMs).toBeGreaterThanOrEqual(299)
})

test("Clients' errors, refused credentials and limits open no breaker", async () => {
  const { get, upstream } = await world({ breaker })
  for (const status of [400, 401, 403, 404, 422]) {
    fail(upstream, status)
    for (let count = 0; count < 6; count += 1) expect((await get('/bank/v1/a')).status).toBe(status)
  }
  work(upstream)
  expect((await get('/bank/v1/a')).status).toBe(200)
})

test('A provider that says that nothing is left is asked again when its window is over, and not before', async () => {
  const { get, upstream } = await world({ learn: true })
  upstream.answer((seen, response) => {
    const left = seen.url === '/v1/last' ? '0' : '9'
    response.writeHead(200, { 'x-ratelimit-remaining-requests': left, 'x-ratelimit-reset-requests': '200ms' })
    response.end('ok')
  })
  await get('/bank/v1/first')
  await get('/bank/v1/last')
  const late = await get('/bank/v1/late')
  expect(late.status).toBe(200)
  const [, last, next] = upstream.seen
  expect(next!.atMs - last!.atMs).toBeGreaterThanOrEqual(200)
  expect(Number(late.headers['x-sitter-waited-ms'])).toBeGreaterThanOrEqual(190)
})

test('With learning switched off nothing but a wait that was asked for is obeyed', async () => {
  const { get, upstream } = await world({ learn: false })
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '60' })
    response.end('ok')
  })
  await get('/bank/v1/first')
  expect(Number((await get('/bank/v1/second')).headers['x-sitter-waited-ms'])).toBeLessThan(1_000)
})
