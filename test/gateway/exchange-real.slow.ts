/**
 * 500 agents, a gate in a process of its own, and a rehearsed exchange, over real sockets and real time; somebody else at
 * the same address. The gate is killed in the middle. 40 s in windows of ten seconds; with SLOW_LONG=1 (`npm run
 * test:slow -- --long`) five minutes in Binance's own. Judged by the exchange's log.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { profiles } from '../../src/config/profiles.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { startRehearsal, type Line } from '../../src/rehearsal/rehearsal.ts'
import { seeded } from '../../src/std/std.ts'
import { waitUntil } from '../../src/work/waits.ts'
import { newDirectory } from '../rehearsal/bank.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startSitter } from './harness.ts'
import { launchGate } from './launch.ts'

const isLong = process.env['SLOW_LONG'] === '1'
const windowMs = isLong ? 60_000 : 10_000
const most = isLong ? { ip: 6_000, uid: 180_000 } : { ip: 1_000, uid: 30_000 }
const runMs = isLong ? 300_000 : 40_000
const banMs = isLong ? 60_000 : 5_000
const latencyMs = 50
/** Of the account, in ten seconds: about half of what is wanted. */
const mostOrders = 15
const window = isLong ? '1M' : '10S'

const limit = (per: 'host' | 'credential', count: number, weights: RatedLimit['weights']): RatedLimit => ({
  per,
  rate: { count, windowMs },
  burst: Math.floor(count / 10),
  guard: 0.05,
  window: 'smooth',
  match: per === 'host' ? ['GET /api/**', 'POST /api/**'] : ['POST /sapi/**'],
  weights,
})

/** With the weight that each has by address. */
const asks = [
  { method: 'GET', path: '/api/v3/account', ip: 20, share: 0.5 },
  { method: 'GET', path: '/api/v3/ticker/price?symbol=BNBBTC', ip: 2, share: 0.25 },
  { method: 'POST', path: '/api/v3/order?symbol=BNBBTC', ip: 1, share: 0.15 },
  { method: 'POST', path: '/sapi/v1/capital/withdraw/apply?coin=XTS&address=a1&amount=1.5', ip: 0, share: 0.1 },
] as const
/** Asked for by nobody but the stranger. */
const strange = { path: '/api/v3/exchangeInfo', ip: 20 }
const weightOf = ({ detail }: Line): number =>
  detail === strange.path ? strange.ip : (asks.find(({ path }) => path.startsWith(detail!))?.ip ?? 0)

const open = async () => {
  const directory = await newDirectory()
  const exchange = await startRehearsal({
    name: 'exchange',
    kind: 'exchange',
    port: 0,
    rate: 1_000,
    seed: 1,
    latencyMs,
    directory,
    exchange: { rules: { windowMs, ...most, mercy: 3 }, orders: [{ windowMs: 10_000, most: mostOrders }] },
  })
  const place = newPlace()
  const profile = {
    ...profiles['binance']!,
    limits: { [`weight-${window}`]: most.ip, [`uid-weight-${window}`]: most.uid, 'orders-10S': mostOrders },
  }
  const rules = {
    ...rulesFor(
      { host: exchange.url.slice('http://'.length) },
      {
        allow: ['GET /api/**', 'POST /api/**', 'POST /sapi/**'],
        money: [],
        limits: [
          limit('host', most.ip, [
            { match: 'GET /api/v3/account', weight: 20 },
            { match: 'GET /api/v3/ticker/price', weight: 2 },
          ]),
          limit('credential', most.uid, [{ match: 'POST /sapi/v1/capital/withdraw/apply', weight: 900 }]),
        ],
        profile,
        retries: { max: 2, share: 0.1, safe: [] },
        parkAfterMs: 3_000,
        timeoutMs: 20_000,
      },
    ),
    credentials: {
      bank: { name: 'bank', pool: [], signing: { kind: 'hmac', keyHeader: 'X-MBX-APIKEY', windowMs: 60_000 } as const },
    },
  }
  const gate = { now: await launchGate(place, rules) }
  const sitter = startSitter(place)
  await sitter.linked()
  await setSecret(sitter, exchange.token())
  const door = join(place.directory, 'cell.sock')
  const agents = Array.from({ length: 500 }, (_, index) => `trader/${String(index + 1).padStart(4, '0')}`)
  sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'trader', agents, upstreams: ['bank'] })
  onTestFinished(async () => {
    await sitter.link.stop()
    await gate.now.end('SIGTERM')
    await exchange.stop()
    place.remove()
  })
  return {
    exchange,
    agents,
    door,
    killGate: async () => {
      await gate.now.end('SIGKILL')
      gate.now = await launchGate(place, rules)
    },
    lines: (): readonly Line[] =>
      readFileSync(exchange.logFile, 'utf8')
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line])),
  }
}

test('Real minutes of an exchange: no window has two refusals, nobody is banned but by force, and one call tries its end', async () => {
  const { exchange, agents, door, killGate, lines } = await open()
  const over = new AbortController()
  const random = seeded(5)
  const told = new Map<string, number>()
  const isOver = (): boolean => over.signal.aborted
  const sleep = (ms: number): Promise<unknown> => wait(ms, undefined, { signal: over.signal }).catch(() => undefined)

  const one = async (agent: string): Promise<number> => {
    let left = random.next()
    const { method, path } = asks.find(({ share }) => (left -= share) < 0) ?? asks[0]
    try {
      const answer = await fetchBy(door, { method, path: `/bank${path}`, headers: { 'x-sitter-agent': agent } })
      const { code, retryAfterMs } = JSON.parse(answer.body) as { code?: string; retryAfterMs?: number }
      const what = code ?? String(answer.status)
      told.set(what, (told.get(what) ?? 0) + 1)
      const nowMs = Date.now()
      return retryAfterMs === undefined ? 0 : waitUntil(nowMs, retryAfterMs, random) - nowMs
    } catch {
      return 200 // the gate is away
    }
  }
  const agentLoop = async (agent: string): Promise<void> => {
    await sleep(random.next() * 5_000)
    while (!isOver()) await sleep((await one(agent)) + random.next() * 20_000)
  }
  const strangerLoop = async (): Promise<void> => {
    while (!isOver()) {
      const answers = await Promise.all(Array.from({ length: 3 }, () => fetch(`${exchange.url}${strange.path}`)))
      const isRefused = answers.some(({ status }) => status !== 200)
      await sleep(isRefused ? windowMs : (3 * strange.ip * windowMs * 2 * random.next()) / (most.ip / 5))
    }
  }
  const loops = [...agents.map(agentLoop), strangerLoop()]
  onTestFinished(async () => {
    over.abort()
    await Promise.all(loops)
  })
  await wait(runMs / 2)
  await killGate()
  await wait(runMs / 2)
  const [, token] = exchange.token().split(':')
  const fromMs = Date.now()
  await fetch(`${exchange.url}/_rehearsal/ban`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ seconds: banMs / 1_000 }),
  })
  await wait(banMs + 2 * windowMs)
  over.abort()

  const all = lines()
  const ours = all.filter(({ detail, kind }) => detail !== strange.path && kind !== 'faults')
  const byWindow = Map.groupBy(all, ({ at }) => Math.floor(at / windowMs))
  const used = [...byWindow]
    .slice(1, -1)
    .map(([, of]) => of.reduce((sum, line) => sum + (line.kind === 'banned' ? 0 : weightOf(line)), 0) / most.ip)
  console.info(`${ours.length} calls, used ${used.map((part) => part.toFixed(2)).join(' ')}`, Object.fromEntries(told))
  const orders = ours.filter(({ detail }) => detail?.endsWith('/api/v3/order'))
  // Of the gate that was killed too: no window of the account's orders was ever full when one came.
  expect(orders.filter(({ detail }) => detail!.startsWith('-1015'))).toEqual([])
  const placed = Map.groupBy(
    orders.filter(({ kind }) => kind === 'answered'),
    ({ at }) => Math.floor(at / 10_000),
  )
  const counts = [...placed.values()].map(({ length }) => length)
  console.info(`orders in ten seconds: ${counts.join(' ')} of ${mostOrders}`)
  expect(Math.max(...counts)).toBeLessThanOrEqual(mostOrders)
  expect(Math.max(...counts)).toBeGreaterThanOrEqual(mostOrders * 0.7)
  const refused = ours.filter(({ kind }) => kind === 'over-limit')
  for (const [, of] of Map.groupBy(refused, ({ at }) => Math.floor(at / windowMs)))
    expect(of.length).toBeLessThanOrEqual(1)
  const banned = ours.filter(({ kind }) => kind === 'banned')
  expect(banned.filter(({ at }) => at < fromMs)).toEqual([])
  expect(banned.length).toBeGreaterThan(0)
  expect(ours.filter(({ kind }) => kind === 'invalid' || kind === 'unauthorized')).toEqual([])

  const back = ours.filter(({ at, kind }) => at >= fromMs && kind !== 'banned' && kind !== 'over-limit')
  const [probe, next] = back.filter(({ at }) => at > banned[0]!.at)
  expect(probe!.at).toBeGreaterThanOrEqual(fromMs + banMs)
  // Its answer takes so long; before that nobody follows.
  expect(next!.at).toBeGreaterThanOrEqual(probe!.at + latencyMs)
  // Whole windows before the ban, but for that of the kill.
  const before = used.slice(0, Math.floor(runMs / windowMs) - 1).toSorted((low, high) => low - high)
  expect(before[Math.floor(before.length / 2)]).toBeGreaterThanOrEqual(isLong ? 0.85 : 0.5)
  expect(used.at(-1)).toBeGreaterThanOrEqual(isLong ? 0.85 : 0.3)
}, 900_000)
