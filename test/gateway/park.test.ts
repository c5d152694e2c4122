/** Through the real gate, as an agent sees it: what would take long is answered at once, with the time to come back. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { gateFetch } from '../../src/cell/pool/gatefetch.ts'
import { waitFor } from '../../src/work/waits.ts'
import { openWorld, type UpstreamRules } from './harness.ts'
import { openUpstream } from './upstream.ts'

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
  const agents = ['payer/0001']
  opened.sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  const fetch = gateFetch(door)
  const gone = new AbortController()
  const get = (path: string, signal = new AbortController().signal) =>
    fetch({ agent: 'payer/0001', epoch: 1, attempt: null, upstream: 'bank', path, init: {}, signal })
  const refused = (path: string): Promise<Refused> =>
    get(path).then(
      (answer) => {
        throw new Error(`answered ${answer.status}`)
      },
      (error: unknown) => error as Refused,
    )
  return { ...opened, upstream, get, refused, gone }
}
interface Refused extends Error {
  readonly code: string
  readonly status: number
  readonly retryAfterMs: number
}

test('A call that would wait longer than parkAfter is refused before it waits, in words that park its task', async () => {
  const rate = { count: 2, windowMs: 60_000 }
  const limit = { per: 'upstream', rate, burst: 1, guard: 0, window: 'sliding', match: [], weights: [] } as const
  const { get, refused, upstream } = await world({ limits: [limit], parkAfterMs: 2_000 })
  expect((await get('/v1/a')).status).toBe(201)
  expect((await get('/v1/a')).status).toBe(201)
  const begunMs = performance.now()
  const error = await refused('/v1/a')
  expect(performance.now() - begunMs).toBeLessThan(1_500)
  expect(error).toMatchObject({ code: 'limited', status: 429 })
  expect(error.retryAfterMs).toBeGreaterThan(50_000)
  expect(waitFor(error)).toBe('rate')
  expect(upstream.seen).toHaveLength(2)
})

test('What asked for a pause of a minute is not waited for by anybody', async () => {
  const { get, refused, upstream } = await world({})
  upstream.answer((_seen, response) => {
    response.writeHead(429, { 'retry-after': '60' })
    response.end()
  })
  // The provider's own word is an answer as any other, and no refusal of the gate.
  expect(await get('/v1/a')).toMatchObject({ status: 429 })
  const error = await refused('/v1/a')
  expect(error).toMatchObject({ code: 'limited' })
  expect(error.retryAfterMs).toBeGreaterThan(59_000)
  expect(upstream.seen).toHaveLength(1)
})

test('While a probe is under way the others are told so at once', async () => {
  const { get, refused, upstream } = await world({ breaker: { share: 0.5, volume: 2, probeMs: 300 } })
  upstream.answer((_seen, response) => {
    response.writeHead(500)
    response.end()
  })
  await get('/v1/a')
  await get('/v1/a')
  let answer = (): void => {}
  upstream.answer((_seen, response) => {
    answer = () => response.end('ok')
  })
  expect(await refused('/v1/a')).toMatchObject({ code: 'breaker-open', status: 503 })
  const probe = (async () => {
    for (;;) {
      try {
        return await get('/v1/a')
      } catch (error) {
        expect((error as Refused).code).toBe('breaker-open')
      }
    }
  })()
  await upstream.reached(3)
  const begunMs = performance.now()
  const error = await refused('/v1/a')
  expect(performance.now() - begunMs).toBeLessThan(1_500)
  expect(waitFor(error)).toBe('retry')
  expect(error.retryAfterMs).toBe(300)
  answer()
  expect((await probe).status).toBe(200)
  expect(upstream.seen).toHaveLength(3)
})

test('An agent that looks at the status alone keeps no connection, however often it asks', async () => {
  const { get, upstream } = await world({})
  upstream.answer((_seen, response) => response.end('x'.repeat(10_000)))
  for (let count = 0; count < 300; count += 1) expect((await get('/v1/a')).status).toBe(200)
  upstream.answer((_seen, response) => response.end('y'.repeat(1_000_000)))
  expect((await (await get('/v1/long')).text()).length).toBe(1_000_000)
})

test('How full each limit is, when it is free, who uses it and who waits can be seen, and looking changes nothing', async () => {
  const plain = { burst: 1, guard: 0, window: 'sliding', match: [], weights: [] } as const
  const limits = [
    { per: 'upstream', rate: { count: 3, windowMs: 60_000 }, ...plain },
    { per: 'agent', rate: { count: 5, windowMs: 60_000 }, ...plain },
    { per: 'upstream', concurrent: 9, match: [] },
  ] as const
  const { get, sitter, gate, gone } = await world({ limits, parkAfterMs: 120_000 })
  const look = async () => [gate.status().upstreams[0]!.limits, await sitter.link.limits('bank')] as const
  const [before, fresh] = await look()
  expect(before.map(({ usage }) => usage && [usage.used, usage.of])).toEqual([[0, 3], null, [0, 9]])
  expect(fresh).toEqual({ domains: [], waiting: [] })
  for (let count = 0; count < 3; count += 1) await get('/v1/a')
  const waits = get('/v1/a', gone.signal).catch(() => 'gone')
  while (gate.status().queued === 0) await sitter.link.status()
  for (let looks = 0; looks < 3; looks += 1) {
    const [seen, closely] = await look()
    expect(seen[0]!.usage).toMatchObject({ used: 3, of: 3 })
    expect(seen[0]!.usage!.freeAtMs! - Date.now()).toBeGreaterThan(50_000)
    expect(closely.domains.map(({ per, owner, used, of }) => [per, owner, used, of])).toEqual([
      ['upstream', '', 3, 3],
      ['agent', 'payer/0001', 3, 5],
    ])
    expect(closely.waiting).toEqual([{ agent: 'payer/0001', waiting: 1 }])
  }
  expect(gate.status().upstreams[0]!.waitMs).not.toBeNull()
  gone.abort()
  expect(await waits).toBe('gone')
  await expect(sitter.link.limits('nobody')).rejects.toMatchObject({ code: 'not-found' })
})
