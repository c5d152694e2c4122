/** Limits that count some calls alone: orders of an account, as Binance tells and lists them. */
import { expect, test } from 'vitest'
import { profiles } from '../../../src/config/profiles.ts'
import { counting } from '../../../src/gateway/rules.ts'
import { openBuckets, readListed, type Buckets } from '../../../src/limit/limit.ts'
import { openOrders } from '../../../src/rehearsal/exchange/orders.ts'
import { between, seeded } from '../../../src/std/std.ts'
import type { LimitRow } from '../../../src/store/store.ts'
import { handClock, type HandClock } from '../clock.ts'

const binance = profiles['binance']!
const scope = { upstream: 'exchange', host: 'x:443', credential: 'key', agent: null }
const countsOf = (method: string, path: string) => counting(binance)!(method, path.slice(1).split('/'))

const passing = (buckets: Buckets, counts: Readonly<Record<string, number>>) =>
  buckets.applied([], scope, { endpoint: 'x', learn: true, breaker: null, perHost: binance.perHost, counts })
const answer = (
  clock: HandClock,
  buckets: Buckets,
  gauges: ReturnType<typeof passing>,
  { status = 200, headers = {}, counts }: { status?: number; headers?: object; counts: Record<string, number> },
): void => {
  buckets.answered(scope, {
    gauges,
    status,
    headers: [...Object.entries(headers), ['date', new Date(clock.wallMs()).toUTCString()]] as [string, string][],
    sentMs: clock.monoMs(),
    learn: true,
    knownLimits: binance.limits!,
    perHost: binance.perHost,
    counts,
  })
  buckets.ended(gauges, false)
}
const open = (saved: readonly LimitRow[] = [], clock = handClock()) => ({
  clock,
  buckets: openBuckets({ clock, random: seeded(1), saved }),
})

test('What counts as orders the profile says: a pair of them is two, and a look is none', () => {
  expect(countsOf('POST', '/api/v3/order')).toEqual({ 'orders-': 1 })
  expect(countsOf('POST', '/api/v3/orderList/oco')).toEqual({ 'orders-': 2 })
  expect(countsOf('GET', '/api/v3/order')).toEqual({ 'orders-': 0 })
  expect(countsOf('DELETE', '/api/v3/order')).toEqual({ 'orders-': 0 })
  expect(counting(null)).toBeUndefined()
})

test('Before the first answer orders go one by one; then as many as are left, and looks go whatever becomes of orders', () => {
  const { clock, buckets } = open()
  const order = { 'orders-': 1 }
  const first = passing(buckets, order)
  expect(buckets.readyAt(first, clock.monoMs()).atMs).toBe(clock.monoMs())
  buckets.admit(first)
  buckets.sent(first, clock.monoMs())
  const waiting = buckets.readyAt(passing(buckets, order), clock.monoMs())
  // Whoever stands behind an order that waits passes it.
  expect(waiting).toMatchObject({ atMs: Infinity, shared: false })
  expect(buckets.readyAt(passing(buckets, { 'orders-': 0 }), clock.monoMs()).atMs).toBe(clock.monoMs())
  // One that was refused for other reasons told nothing.
  answer(clock, buckets, first, { status: 400, counts: order })
  const second = passing(buckets, order)
  buckets.admit(second)
  buckets.sent(second, clock.monoMs())
  expect(buckets.readyAt(passing(buckets, order), clock.monoMs()).atMs).toBe(Infinity)
  answer(clock, buckets, second, { headers: { 'x-mbx-order-count-10s': '40' }, counts: order })
  expect(buckets.readyAt(passing(buckets, { 'orders-': 2 }), clock.monoMs()).atMs).toBe(clock.monoMs())
  expect(buckets.readyAt(passing(buckets, { 'orders-': 11 }), clock.monoMs()).atMs).toBeGreaterThan(clock.monoMs())
  expect(buckets.known(scope, ['orders-'])).toMatchObject([{ name: 'orders-10S', left: 10 }])
})

test('All that is left of one window, sent in its last moment, is all of the next', () => {
  const { clock, buckets } = open()
  const order = { 'orders-': 1 }
  const first = passing(buckets, order)
  buckets.admit(first)
  buckets.sent(first, clock.monoMs())
  answer(clock, buckets, first, { headers: { 'x-mbx-order-count-10s': '1' }, counts: order })
  const endMs = buckets.known(scope, ['orders-'])[0]!.untilMs
  clock.advance(endMs - clock.monoMs() - 1)
  // Up to the last tenth, which goes one by one.
  for (
    let count = 0;
    count < 49 && buckets.readyAt(passing(buckets, order), clock.monoMs()).atMs <= clock.monoMs();
    count += 1
  ) {
    const one = passing(buckets, order)
    buckets.admit(one)
    buckets.sent(one, clock.monoMs())
  }
  const sent = 49 - buckets.known(scope, ['orders-'])[0]!.left!
  expect(sent).toBeGreaterThanOrEqual(44)
  clock.advance(1)
  const waits = (count: number): boolean =>
    buckets.readyAt(passing(buckets, { 'orders-': count }), clock.monoMs()).atMs > clock.monoMs()
  // The first who asks after the end is told so as well.
  expect(waits(51 - sent)).toBe(true)
  expect(waits(50 - sent)).toBe(false)
})

test('How many there may be is read from the answers that list it, over restarts too', () => {
  const listed = readListed(
    `{"timezone":"UTC","rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},
     {"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":7},
     {"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000},
     {"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":61000}],"symbols":[{"symbol":"X`,
  )
  expect(listed).toEqual([
    { name: 'weight-1M', limit: 6_000 },
    { name: 'orders-10S', limit: 7 },
    { name: 'orders-1D', limit: 200_000 },
  ])
  const bad = [
    '{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":-1}',
    '{"rateLimitType":"__proto__"}',
  ]
  expect(readListed([...bad, '{"rateLimitType":', 'x'.repeat(10_000), '{'.repeat(10_000)].join(' '))).toEqual([])
  const { clock, buckets } = open()
  buckets.listed(scope, listed)
  const next = open(buckets.changed(), clock)
  const order = { 'orders-': 1 }
  const one = passing(next.buckets, order)
  next.buckets.admit(one)
  next.buckets.sent(one, clock.monoMs())
  answer(clock, next.buckets, one, { headers: { 'x-mbx-order-count-10s': '7' }, counts: order })
  expect(next.buckets.known(scope, ['orders-'])).toMatchObject([{ name: 'orders-10S', left: 0 }])
})

test('Against an exchange that counts for itself no window has one too many, by slow ways and over restarts', () => {
  const random = seeded(9)
  const rules = [
    { windowMs: 10_000, most: 50 },
    { windowMs: 86_400_000, most: 4_000 },
  ]
  const exchange = openOrders(rules)
  const clock = handClock()
  const saved = new Map<string, LimitRow>()
  let { buckets } = open([], clock)
  buckets.listed(scope, [{ name: 'orders-1D', limit: 4_000 }])
  const save = (): void => {
    for (const row of buckets.changed()) saved.set(row.name, row)
  }
  const under: { atMs: number; deed: () => void }[] = []
  const at = (ms: number, deed: () => void): void => void under.push({ atMs: clock.monoMs() + ms, deed })
  let [placed, refused, restarts] = [0, 0, 0]
  const send = (): void => {
    const count = random.next() < 0.2 ? 2 : 1
    const counts = { 'orders-': count }
    const mine = buckets
    const gauges = passing(mine, counts)
    if (mine.readyAt(gauges, clock.monoMs()).atMs > clock.monoMs()) return
    mine.admit(gauges)
    save()
    mine.sent(gauges, clock.monoMs())
    at(between(random, 5, 400), () => {
      const told = exchange.place(clock.wallMs(), 'one', count)
      if ('over' in told) refused += 1
      else placed += count
      const date = new Date(clock.wallMs()).toUTCString()
      at(between(random, 5, 400), () => {
        if (mine !== buckets) return
        answer(clock, mine, gauges, {
          status: 'over' in told ? 429 : 200,
          headers: { ...('over' in told ? {} : told.headers), date },
          counts,
        })
      })
    })
  }
  const dayMs = 86_400_000
  const untilMs = clock.monoMs() + 30 * 60_000
  let nextKillMs = clock.monoMs() + 95_000
  while (clock.monoMs() < untilMs) {
    for (let count = 0; count < 3; count += 1) send()
    clock.advance(50)
    for (const one of under.filter(({ atMs }) => atMs <= clock.monoMs())) {
      under.splice(under.indexOf(one), 1)
      one.deed()
    }
    if (clock.monoMs() < nextKillMs) continue
    nextKillMs += 95_000
    restarts += 1
    buckets = open([...saved.values()], clock).buckets
  }
  expect(restarts).toBeGreaterThan(10)
  expect(refused).toBe(0)
  // 30 minutes have 180 windows of 50, and the day 4,000.
  expect(placed).toBeGreaterThan(3_500)
  expect(placed).toBeLessThanOrEqual(4_000 + (Math.floor(clock.wallMs() / dayMs) === 0 ? 0 : 4_000))
})
