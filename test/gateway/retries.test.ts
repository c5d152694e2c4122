/** The gate tries again what certainly did nothing, and nothing else: by the upstream's own log. */
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { openOutbound } from '../../src/gateway/outbound.ts'
import { nextTry, RetryBudget } from '../../src/gateway/retries.ts'
import type { AnswerClass } from '../../src/model/model.ts'
import { realClock } from '../../src/std/real/real.ts'
import { seeded } from '../../src/std/std.ts'
import { fetchBy, type UpstreamRules } from './harness.ts'
import { openDoorTo } from './door.ts'
import { listenAt } from './listeners.ts'
import { openUpstream, type Seen, type TestUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})
const retries = { max: 2, share: 0.1, safe: [] }
const world = async (more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const opened = await openDoorTo(upstream, { retries, breaker: null, ...more })
  closing.push(opened.close)
  return { ...opened }
}
const codeOf = (body: string): unknown => (JSON.parse(body) as { code: unknown }).code
const post = { method: 'POST', path: '/bank/v1/orders', body: '{"a":1}' }

/** Answers in turn; the last one for ever. A status, a status with headers, or a cut connection. */
const script = (upstream: TestUpstream, ...answers: readonly (number | readonly [number, object] | 'cut')[]): void => {
  let at = 0
  upstream.answer((_seen, response, request) => {
    const answer = answers[Math.min(at, answers.length - 1)]!
    at += 1
    if (answer === 'cut') return request.socket.destroy()
    const [status, headers] = typeof answer === 'number' ? [answer, {}] : answer
    response.writeHead(status, { ...headers })
    response.end(`answer ${at}`)
  })
}

test('What changes nothing is sent again, with its own entry in the journal each time, until there is an answer', async () => {
  const { door, upstream } = await world()
  script(upstream, 503, 'cut', 200)
  const answer = await fetchBy(door, { path: '/bank/v1/a' })
  expect([answer.status, answer.body, answer.headers['x-sitter-tries']]).toEqual([200, 'answer 3', '3'])
  expect(Number(answer.headers['x-sitter-waited-ms'])).toBeGreaterThanOrEqual(300)
  expect(upstream.seen).toHaveLength(3)
  // Journal numbers are one for each request that left.
  expect(answer.headers['x-sitter-call']).toBe('3')
})

test('What may have changed something is sent once, however its answer is lost', async () => {
  const { door, upstream } = await world()
  script(upstream, 500, 'cut', 409, 504)
  expect((await fetchBy(door, post)).status).toBe(500)
  expect(codeOf((await fetchBy(door, post)).body)).toBe('outcome-unknown')
  expect((await fetchBy(door, post)).status).toBe(409)
  expect((await fetchBy(door, { ...post, method: 'PUT' })).status).toBe(403)
  expect((await fetchBy(door, post)).status).toBe(504)
  expect(upstream.seen).toHaveLength(4)
})

test('What was refused by a limit did nothing: sent again, the same bytes, after the time that was asked for', async () => {
  const { door, upstream } = await world()
  script(upstream, [429, { 'retry-after': '1' }], 201)
  const answer = await fetchBy(door, post)
  expect(answer.status).toBe(201)
  const [first, second] = upstream.seen as [Seen, Seen]
  expect(second.atMs - first.atMs).toBeGreaterThanOrEqual(1_000)
  expect(second.body).toBe(post.body)
  expect(upstream.seen).toHaveLength(2)
})

test('A pause that is longer than an agent waits parks its task; a body that cannot be sent again is not', async () => {
  const { door, upstream } = await world({ parkAfterMs: 1_500 })
  script(upstream, [429, { 'retry-after': '30' }])
  const parked = await fetchBy(door, { path: '/bank/v1/a' })
  expect([parked.status, parked.headers['x-sitter-code'], codeOf(parked.body)]).toEqual([429, 'limited', 'limited'])
  expect((JSON.parse(parked.body) as { retryAfterMs: number }).retryAfterMs).toBeGreaterThanOrEqual(30_000)
  expect(upstream.seen).toHaveLength(1)
})

test('A long body streams and is sent once; its refusal comes as it is', async () => {
  const { door, upstream } = await world()
  script(upstream, [429, { 'x-should-retry': 'true', 'Stripe-Should-Retry': 'true' }])
  const answer = await fetchBy(door, { ...post, body: 'x'.repeat(20_000) })
  expect([answer.status, answer.body]).toEqual([429, 'answer 1'])
  // SDKs leave it to the gate, whatever the provider says.
  expect(answer.headers).toMatchObject({ 'x-should-retry': 'false', 'stripe-should-retry': 'false' })
  expect(upstream.seen).toHaveLength(1)
})

test('A route that is declared safe is sent again although its method is not', async () => {
  const { door, upstream } = await world({ retries: { ...retries, safe: ['POST /v1/search'] } })
  script(upstream, 'cut', 500, 200, 500)
  expect((await fetchBy(door, { ...post, path: '/bank/v1/search' })).status).toBe(200)
  expect(upstream.seen.map(({ body }) => body)).toEqual([post.body, post.body, post.body])
  expect((await fetchBy(door, post)).status).toBe(500)
  expect(upstream.seen).toHaveLength(4)
})

test('When tries are spent the agent gets the last answer, whole, and is told not to try', async () => {
  const { door, upstream } = await world()
  script(upstream, [500, { 'x-request-id': 'r' }])
  const answer = await fetchBy(door, { path: '/bank/v1/a' })
  expect([answer.status, answer.body]).toEqual([500, 'answer 3'])
  expect(answer.headers).toMatchObject({ 'x-request-id': 'r', 'x-should-retry': 'false', 'x-sitter-tries': '3' })
  await upstream.close()
  const gone = await fetchBy(door, { path: '/bank/v1/a' })
  expect([gone.status, codeOf(gone.body), gone.headers['x-sitter-tries']]).toEqual([503, 'upstream-unreachable', '3'])
})

test('An answer that fails is given on whole however long it is, and what has begun to stream is not begun again', async () => {
  const { door, upstream } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(502)
    response.end('y'.repeat(200_000))
  })
  const long = await fetchBy(door, { path: '/bank/v1/a' })
  expect([long.status, long.body.length]).toEqual([502, 200_000])
  expect(upstream.seen).toHaveLength(1)
  upstream.answer((_seen, response) => {
    response.writeHead(200)
    response.write('half', () => response.destroy())
  })
  await expect(fetchBy(door, { path: '/bank/v1/a' })).rejects.toThrow()
  expect(upstream.seen).toHaveLength(2)
})

test('When everything fails retries add their budget to the load and no more', async () => {
  const { door, upstream } = await world({ retries: { ...retries, max: 10, share: 0.1 }, timeoutMs: 60_000 })
  script(upstream, 500)
  const calls = 60
  await Promise.all(Array.from({ length: calls }, () => fetchBy(door, { path: '/bank/v1/a' })))
  // Ten of the reserve, a tenth of the calls, and one for each ten seconds that it took.
  expect(upstream.seen.length).toBeGreaterThanOrEqual(calls + 15)
  expect(upstream.seen.length).toBeLessThanOrEqual(calls + 10 + 6 + 4)
})

test('For an agent that went away nothing is tried again', async () => {
  const { door, upstream, gate } = await world()
  script(upstream, [429, { 'retry-after': '1' }], 200)
  const socket = connect(door)
  socket.write('GET /bank/v1/gone HTTP/1.1\r\nhost: x\r\n\r\n')
  await upstream.reached(1)
  socket.destroy()
  while (gate.status().inFlight > 0) await new Promise((resolve) => setImmediate(resolve))
  expect((await fetchBy(door, { path: '/bank/v1/next' })).status).toBe(200)
  expect(upstream.seen.map(({ url }) => url)).toEqual(['/v1/gone', '/v1/next'])
})

test('Only what did nothing is tried again; never sooner than was asked, never beyond its bounds', () => {
  const classes: readonly AnswerClass[] = [
    'succeeded',
    'transient',
    'limited',
    'credential',
    'funds',
    'permanent',
    'unknown',
  ]
  const random = seeded(2)
  const any = fc.record({
    outcomeClass: fc.constantFrom(...classes, null),
    tries: fc.integer({ min: 1, max: 12 }),
    askedMs: fc.option(fc.integer({ min: 0, max: 100_000 })),
    elapsedMs: fc.integer({ min: 0, max: 40_000 }),
    withinMs: fc.constant(30_000),
    patienceMs: fc.integer({ min: 1, max: 20_000 }),
  })
  fc.assert(
    fc.property(any, fc.boolean(), (tried, mayTake) => {
      let taken = 0
      const take = (): boolean => {
        if (mayTake) taken += 1
        return mayTake
      }
      const next = nextTry({ max: 3, share: 0.1, safe: [] }, tried, take, random)
      const isNotDone = tried.outcomeClass === 'transient' || tried.outcomeClass === 'limited'
      if (!isNotDone) expect(next).toEqual({ next: 'give' })
      if (next.next !== 'give') expect(next.afterMs).toBeGreaterThanOrEqual(tried.askedMs ?? 0)
      expect(taken).toBe(next.next === 'again' ? 1 : 0)
      if (next.next !== 'again') return
      expect(tried.tries).toBeLessThanOrEqual(3)
      expect(next.afterMs).toBeLessThanOrEqual(tried.patienceMs)
      expect(tried.elapsedMs + next.afterMs).toBeLessThanOrEqual(30_000)
      expect(nextTry(null, tried, take, random)).toEqual({ next: 'give' })
    }),
  )
})

test('A budget is refilled by calls and, slowly, by time', () => {
  const budget = new RetryBudget(0)
  const spend = (nowMs: number): number => {
    let count = 0
    while (budget.take(nowMs)) count += 1
    return count
  }
  expect(spend(0)).toBe(10)
  expect(spend(5_000)).toBe(0)
  expect(spend(30_000)).toBe(3)
  expect(spend(10_000_000)).toBe(10)
  for (let call = 0; call < 50; call += 1) budget.earn(0.1)
  expect(spend(10_000_001)).toBe(5)
  for (let call = 0; call < 100_000; call += 1) budget.earn(0.1)
  expect(spend(10_000_001)).toBe(100)
})

test('What is kept back in the last moment never leaves, and the next call over its connection does', async () => {
  const listener = await listenAt('127.0.0.1')
  const url = `http://127.0.0.1:${listener.port}`
  const outbound = openOutbound({ url, grant: [`127.0.0.1:${listener.port}`] }, realClock())
  closing.push(
    () => listener.close(),
    () => outbound.close(),
  )
  const call = (target: string, notNow: string | undefined) =>
    outbound.send(
      { method: 'GET', target, headers: [], body: null, timeoutMs: 5_000 },
      { notNow: () => notNow, started: () => {}, head: () => {}, data: () => true },
    ).ended
  expect(await call('/first', undefined)).toEqual({ kind: 'answered' })
  expect(await call('/kept', 'paused')).toEqual({ kind: 'not-sent', code: 'not-now', message: 'paused' })
  expect(await call('/next', undefined)).toEqual({ kind: 'answered' })
  expect(listener.heard().match(/GET \S+/g)).toEqual(['GET /first', 'GET /next'])
})
