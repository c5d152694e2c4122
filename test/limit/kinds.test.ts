/** Sliding limits, weights and concurrency: played against a provider that counts in windows of its own. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { openBuckets, openLines, type Buckets, type Gauge } from '../../src/limit/limit.ts'
import type { RatedLimit, UpstreamLimit } from '../../src/model/model.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock, type HandClock } from './clock.ts'

const scope = { upstream: 'bank', host: 'bank:443', credential: 'a', agent: 'payer/0001' }
const rated = (count: number, windowMs: number, more: Partial<RatedLimit> = {}): RatedLimit => ({
  per: 'upstream',
  rate: { count, windowMs },
  burst: 1,
  guard: 0,
  window: 'sliding',
  match: [],
  weights: [],
  ...more,
})
const open = (saved: Parameters<typeof openBuckets>[0]['saved'] = [], clock = handClock()) => ({
  clock,
  buckets: openBuckets({ clock, random: seeded(1), saved }),
})
const mostIn = (sent: readonly (readonly [number, number])[], windowMs: number): number =>
  Math.max(
    0,
    ...sent.map(([from]) =>
      sent.reduce((sum, [at, weight]) => sum + (at >= from && at < from + windowMs ? weight : 0), 0),
    ),
  )

/** Sends as fast as may be, each call some time after it was admitted; gives when, and what each weighed. */
const greedy = (
  { clock, buckets }: { clock: HandClock; buckets: Buckets },
  rules: readonly UpstreamLimit[],
  ask: { forMs: number; weightOf: () => number; lateMs: () => number },
): (readonly [number, number])[] => {
  const sent: (readonly [number, number])[] = []
  const untilMs = clock.monoMs() + ask.forMs
  const under: { gauges: readonly Gauge[]; weight: number }[] = []
  const leave = (): void => {
    const one = under.shift()
    if (one === undefined) return
    buckets.sent(one.gauges, clock.monoMs())
    buckets.ended(one.gauges, null)
    sent.push([clock.monoMs(), one.weight])
  }
  while (clock.monoMs() < untilMs) {
    const weight = ask.weightOf()
    const gauges = buckets.applied(rules, scope, { endpoint: '', learn: false, breaker: null, weigh: () => weight })
    const { atMs } = buckets.readyAt(gauges, clock.monoMs())
    if (atMs === Infinity) {
      leave()
      continue
    }
    if (atMs > clock.monoMs()) clock.advance(Math.min(atMs - clock.monoMs(), untilMs - clock.monoMs()))
    if (atMs > clock.monoMs()) break
    buckets.admit(gauges)
    under.push({ gauges, weight })
    if (under.length > 3) leave()
    clock.advance(ask.lateMs())
  }
  while (under.length > 0) leave()
  return sent
}

property.prop([
  fc.integer({ min: 1, max: 100 }),
  fc.constantFrom(1_000, 60_000),
  fc.constantFrom('sliding' as const, 'smooth' as const),
  fc.integer({ min: 1, max: 5 }),
  fc.integer(),
])(
  'No window of a limit holds more than it may, whatever calls weigh and however late they leave',
  (count, windowMs, window, heaviest, seed) => {
    const random = seeded(seed)
    const weights = heaviest < count - 1 ? [{ match: 'GET /heavy', weight: heaviest }] : []
    const rule = rated(count, windowMs, { window, weights, burst: 10 })
    const most = weights.length > 0 ? heaviest : 1
    const sent = greedy(open(), [rule], {
      forMs: 5 * windowMs,
      weightOf: () => 1 + Math.floor(random.next() * most),
      lateMs: () => random.next() * 5,
    })
    expect(mostIn(sent, windowMs)).toBeLessThanOrEqual(count)
    // Most of what is allowed is used; what is too heavy for the rest of a window waits for the next one.
    const total = sent.reduce((sum, [, weight]) => sum + weight, 0)
    if (count >= 20) expect(total).toBeGreaterThan(0.6 * 5 * (count - 2 * most))
  },
)

test('A sliding limit lets all of a window go at once, and goes on where the last gate was', () => {
  const rules = [rated(10, 60_000)]
  const first = open()
  const sent = greedy(first, rules, { forMs: 1_000, weightOf: () => 1, lateMs: () => 0 })
  expect(sent).toHaveLength(10)
  first.clock.advance(20_000)
  const next = open(first.buckets.changed(), first.clock)
  const readyMs =
    next.buckets.readyAt(next.buckets.applied(rules, scope), next.clock.monoMs()).atMs - next.clock.monoMs()
  expect(readyMs).toBeGreaterThan(39_000)
  expect(readyMs).toBeLessThanOrEqual(62_000)
})

test('So many calls at once and no more, and a call that was given up leaves its place too', () => {
  const { buckets, clock } = open()
  const rules: readonly UpstreamLimit[] = [{ per: 'upstream', match: [], concurrent: 2 }]
  const ask = (): readonly Gauge[] => buckets.applied(rules, scope)
  const isFree = (): boolean => buckets.readyAt(ask(), clock.monoMs()).atMs <= clock.monoMs()
  const [first, second] = [ask(), ask()]
  buckets.admit(first)
  buckets.admit(second)
  expect(isFree()).toBe(false)
  buckets.giveUp(first)
  expect(isFree()).toBe(true)
  buckets.sent(second, clock.monoMs())
  buckets.admit(ask())
  expect(isFree()).toBe(false)
  buckets.ended(second, false)
  buckets.ended(second, false)
  expect(isFree()).toBe(true)
})

test('Who waits for a place at a host gets it when a call to another upstream there has ended', () => {
  const { buckets, clock } = open()
  const lines = openLines({ clock, buckets })
  const rules: readonly UpstreamLimit[] = [{ per: 'host', match: [], concurrent: 1 }]
  const decided: string[] = []
  const ask = (upstream: string): readonly Gauge[] => {
    const limits = buckets.applied(rules, { ...scope, upstream })
    const wanted = { scope: { ...scope, upstream }, limits, priority: 5, weight: 1, granted: true, waitMs: 10_000 }
    lines.wait({ ...wanted, decided: ({ admitted }) => void decided.push(`${upstream} ${admitted}`) })
    return limits
  }
  const first = ask('bank')
  ask('bank-too')
  expect(decided).toEqual(['bank true'])
  buckets.sent(first, clock.monoMs())
  buckets.ended(first, false)
  lines.wake('bank')
  expect(decided).toEqual(['bank true', 'bank-too true'])
})

test('A limit whose kind was changed while no gate ran begins empty, whichever way', () => {
  for (const [before, after] of [
    ['smooth', 'sliding'],
    ['sliding', 'smooth'],
  ] as const) {
    const first = open()
    greedy(first, [rated(10, 60_000, { window: before, burst: 9 })], { forMs: 1, weightOf: () => 1, lateMs: () => 0.2 })
    const next = open(first.buckets.changed(), first.clock)
    const gauges = next.buckets.applied([rated(10, 60_000, { window: after, burst: 9 })], scope)
    // Not before what an empty one of this kind has again.
    const leastMs = after === 'sliding' ? 59_000 : 5_000
    expect(next.buckets.readyAt(gauges, next.clock.monoMs()).atMs - next.clock.monoMs()).toBeGreaterThan(leastMs)
  }
})

test('Upstreams at one address share what is counted per host, types and agents have their own', () => {
  const { buckets, clock } = open()
  const host = rated(1, 60_000, { per: 'host' })
  const type = rated(1, 60_000, { per: 'type' })
  const isFree = (rule: UpstreamLimit, change: Partial<typeof scope>): boolean =>
    buckets.readyAt(buckets.applied([rule], { ...scope, ...change }), clock.monoMs()).atMs <= clock.monoMs()
  for (const rule of [host, type]) {
    const gauges = buckets.applied([rule], scope)
    buckets.admit(gauges)
    buckets.sent(gauges, clock.monoMs())
  }
  expect(isFree(host, { upstream: 'bank-too' })).toBe(false)
  expect(isFree(host, { upstream: 'other', host: 'other:443' })).toBe(true)
  expect(isFree(type, { agent: 'payer/0002' })).toBe(false)
  expect(isFree(type, { agent: 'reader/0001' })).toBe(true)
})
