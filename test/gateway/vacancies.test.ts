/** What a refusal says has to open, and whether the gate says that it is open: through the real gate. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { gateFetch } from '../../src/cell/pool/gatefetch.ts'
import { waitFor } from '../../src/work/waits.ts'
import { openWorld, pricePerCall, rulesFor, setSecret, type UpstreamRules } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

interface Refused extends Error {
  readonly code: string
  readonly retryAfterMs: number
  readonly waitsFor?: string
}

const world = async (more: Partial<UpstreamRules>) => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream, more)
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  const agents = ['payer/0001', 'payer/0002']
  const { link } = opened.sitter
  link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  const fetch = gateFetch(door)
  const signal = new AbortController().signal
  const get = (path = '/v1/a', agent = 'payer/0001') =>
    fetch({ agent, epoch: 1, attempt: null, upstream: 'bank', path, init: {}, signal })
  const refused = (path?: string, agent?: string): Promise<Refused> =>
    get(path, agent).then(
      (answer) => {
        throw new Error(`answered ${answer.status}`)
      },
      (error: unknown) => error as Refused,
    )
  const open = async (name: string): Promise<number> => (await link.vacancies([name]))[0]!
  return { ...opened, upstream, link, get, refused, open }
}
const window = { burst: 1, guard: 0, window: 'sliding', match: [], weights: [] } as const
const minute = (count: number, per: 'upstream' | 'agent' = 'upstream') =>
  ({ per, rate: { count, windowMs: 60_000 }, ...window }) as const

test('A breaker: for nobody while it is open, for its probe, and for all when it has closed', async () => {
  const { get, refused, open, upstream } = await world({ breaker: { share: 0.5, volume: 2, probeMs: 200 } })
  upstream.answer((_seen, response) => response.writeHead(500).end())
  await get()
  await get()
  const { code, waitsFor } = await refused()
  expect({ code, waitsFor }).toEqual({ code: 'breaker-open', waitsFor: 'call bank GET /v1/**' })
  expect(await open(waitsFor!)).toBe(0)
  expect(await open('call bank POST /v1/**')).toBeGreaterThan(1)
  while ((await open(waitsFor!)) === 0);
  expect(await open(waitsFor!)).toBe(1)
  upstream.answer((_seen, response) => response.end('well'))
  expect((await get()).status).toBe(200)
  expect(await open(waitsFor!)).toBeGreaterThan(1)
})

test('A limit: as many as find room in its line, and more when the configuration gives more', async () => {
  const at = await world({ limits: [minute(2)], parkAfterMs: 2_000 })
  await at.get()
  await at.get()
  const { code, waitsFor } = await at.refused()
  expect({ code, waitsFor }).toEqual({ code: 'limited', waitsFor: 'call bank GET /v1/**' })
  expect(await at.open(waitsFor!)).toBe(0)
  await at.take(rulesFor(at.upstream, { limits: [], parkAfterMs: 2_000 }))
  expect(await at.open(waitsFor!)).toBeGreaterThan(0)
})

test('Those that wait for the same line share what room it has', async () => {
  const smooth = { per: 'upstream', rate: { count: 60, windowMs: 60_000 }, burst: 1, guard: 0 } as const
  const limits = [{ ...smooth, window: 'smooth', match: [], weights: [] }] as const
  const { link } = await world({ limits, parkAfterMs: 20_000 })
  const [one, two, other] = await link.vacancies(['call bank GET /v1/**', 'call bank POST /v1/**', 'call nobody GET /'])
  expect(one).toBeGreaterThanOrEqual(10)
  expect(one).toBeLessThanOrEqual(12)
  expect([two, other]).toEqual([0, 0])
})

test('A limit of the agent alone says nothing to wait for: for others there is room', async () => {
  const { get, refused } = await world({ limits: [minute(1, 'agent')], parkAfterMs: 1_000 })
  await get()
  const { code, waitsFor } = await refused()
  expect({ code, waitsFor }).toEqual({ code: 'limited', waitsFor: undefined })
  expect((await get('/v1/a', 'payer/0002')).status).toBe(201)
})

test('A pause that was asked for is open when it is over', async () => {
  const { get, refused, open, upstream } = await world({ parkAfterMs: 500 })
  upstream.answer((_seen, response) => response.writeHead(429, { 'retry-after': '2' }).end())
  expect((await get()).status).toBe(429)
  const { waitsFor } = await refused()
  expect(await open(waitsFor!)).toBe(0)
  while ((await open(waitsFor!)) === 0);
  upstream.answer((_seen, response) => response.end('well'))
  expect((await get()).status).toBe(200)
})

test('A freeze puts agents off, and a thaw opens', async () => {
  const { link, get, refused, open } = await world({})
  await link.freeze(true, 'test')
  const error = await refused()
  expect(error).toMatchObject({ code: 'frozen', waitsFor: 'call bank' })
  expect(waitFor(error)).toBe('maintenance')
  expect(await open('call bank')).toBe(0)
  await link.freeze(false, 'test')
  expect(await open('call bank')).toBeGreaterThan(0)
  expect((await get()).status).toBe(201)
})

test('A credential that is not there is open when somebody sets it', async () => {
  const at = await world({ credential: 'other' })
  await at.take({ ...at.rules, credentials: { other: { name: 'other', pool: [] } } })
  const error = await at.refused()
  expect(error).toMatchObject({ code: 'credential-unavailable', waitsFor: 'call bank GET /v1/**' })
  expect(waitFor(error)).toBe('credential')
  expect(await at.open(error.waitsFor!)).toBe(0)
  await setSecret(at.sitter, 'another-secret-of-the-bank', 'other')
  expect(await at.open(error.waitsFor!)).toBeGreaterThan(0)
})

test('A budget that is spent is open when it is raised', async () => {
  const at = await world({ price: pricePerCall })
  const budget = {
    name: 'day',
    per: 'swarm',
    spend: { pico: 10_000_000_000n, currency: 'XTS' },
    everyMs: 86_400_000,
    warn: 0.8,
    types: [],
    upstreams: [],
  } as const
  await at.take({ ...at.rules, budgets: { day: budget } })
  await at.get()
  const error = await at.refused()
  expect(error).toMatchObject({ code: 'budget-spent', waitsFor: 'budget day swarm' })
  expect(await at.open(error.waitsFor!)).toBe(0)
  await at.take({ ...at.rules, budgets: { day: { ...budget, spend: { ...budget.spend, pico: 1n << 60n } } } })
  expect(await at.open(error.waitsFor!)).toBeGreaterThan(0)
})

test('What is no such text is open for nobody', async () => {
  const { link } = await world({})
  const texts = ['call', 'call  ', 'mode payer/0001', 'x'.repeat(500), 'call __proto__ GET /', 'constructor']
  expect(await link.vacancies(texts)).toEqual(texts.map(() => 0))
})
