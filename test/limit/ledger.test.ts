/**
 * What the provider sees: it counts calls where they arrive, and logs them before it answers. Played with roads on which
 * calls stall and arrive together.
 */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { Lane } from '../../src/limit/lane.ts'
import { Ledger } from '../../src/limit/ledger.ts'
import { openBuckets } from '../../src/limit/limit.ts'
import { Road } from '../../src/limit/road.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { seeded, type Random } from '../../src/std/std.ts'
import { handClock } from './clock.ts'

const scope = { upstream: 'bank', credential: 'a', agent: 'payer/0001' }
const rated = (count: number, windowMs: number, more: Partial<RatedLimit> = {}): RatedLimit => ({
  per: 'upstream',
  rate: { count, windowMs },
  burst: Math.max(1, Math.floor(count / 10)),
  guard: 0.05,
  window: 'smooth',
  match: [],
  weights: [],
  ...more,
})

/** Most arrivals in any closed window. */
const mostIn = (times: readonly number[], windowMs: number): number => {
  const sorted = times.toSorted((one, other) => one - other)
  let most = 0
  let from = 0
  for (const [index, at] of sorted.entries()) {
    while (at - sorted[from]! > windowMs) from += 1
    most = Math.max(most, index - from + 1)
  }
  return most
}

interface Weather {
  /** One way, without a stall. */
  readonly wayMs: (random: Random) => number
  /** What the provider takes after it has logged the call. */
  readonly workMs: (random: Random) => number
  /** Nothing arrives from the first until the second of each. */
  readonly stalls: readonly (readonly [fromMs: number, untilMs: number])[]
}

/** Sends as fast as the limit lets it; gives when calls left and when they arrived. */
const play = (rule: RatedLimit, weather: Weather, ask: { readonly forMs: number; readonly seed: number }) => {
  const clock = handClock()
  const startMs = clock.monoMs()
  const random = seeded(ask.seed)
  const buckets = openBuckets({ clock, random, saved: [] })
  const left: number[] = []
  const arrived: number[] = []
  let blocked = false
  const throughStalls = (atMs: number): number =>
    weather.stalls.reduce(
      (at, [from, until]) => (at >= startMs + from && at < startMs + until ? startMs + until : at),
      atMs,
    )
  const pump = (): void => {
    for (;;) {
      const gauges = buckets.applied([rule], scope)
      const nowMs = clock.monoMs()
      if (nowMs > startMs + ask.forMs) return
      const { atMs } = buckets.readyAt(gauges, nowMs)
      blocked = atMs === Infinity
      if (blocked) return
      if (atMs > nowMs) return void clock.timer(Math.max(0.01, atMs - nowMs), pumpSoon)
      buckets.admit(gauges)
      buckets.sent(gauges, nowMs)
      left.push(nowMs)
      const arrivesMs = throughStalls(nowMs + weather.wayMs(random))
      arrived.push(arrivesMs)
      const heardMs = throughStalls(arrivesMs + weather.workMs(random)) + weather.wayMs(random)
      clock.timer(heardMs - nowMs, () => {
        for (const gauge of gauges) gauge.heard?.(clock.monoMs())
        buckets.ended(gauges, false)
        if (blocked) pump()
      })
    }
  }
  let due = 0
  const pumpSoon = (): void => {
    due += 1
    pump()
  }
  pump()
  clock.advance(ask.forMs + 120_000)
  expect(due).toBeGreaterThan(0)
  return { left, arrived }
}

const quick: Weather = {
  wayMs: (random) => 1 + random.next() * 3,
  workMs: (random) => 1 + random.next() * 5,
  stalls: [],
}

const stalls = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 3_000 })), { maxLength: 4 })
  .map((all) => all.map(([from, forMs]) => [from, from + forMs] as const).toSorted(([one], [other]) => one - other))

property.prop([
  fc.constantFrom(rated(100, 1_000), rated(100, 1_000, { window: 'sliding' }), rated(20, 1_000), rated(300, 3_000)),
  stalls,
  fc.integer(),
])('However the road stalls, no window at the provider holds more than it allows', (rule, stalls, seed) => {
  const { arrived } = play(rule, { ...quick, stalls }, { forMs: 20_000, seed })
  expect(mostIn(arrived, rule.rate.windowMs)).toBeLessThanOrEqual(rule.rate.count)
})

test('What left on time and arrived in a clump was too much before arrivals were counted, and is not now', () => {
  const stall = [[5_000, 5_900]] as const
  const rule = rated(100, 1_000, { guard: 0 })
  const { left, arrived } = play(rule, { ...quick, stalls: stall }, { forMs: 20_000, seed: 1 })
  expect(mostIn(arrived, 1_000)).toBeLessThanOrEqual(100)
  expect(mostIn(left, 1_000)).toBeLessThanOrEqual(100)
  // Nothing is given away for it beside the stall itself.
  expect(left.length).toBeGreaterThan(100 * 18)
})

const used = (rule: RatedLimit, weather: Partial<Weather> = {}, windows = 30): number => {
  const forMs = windows * rule.rate.windowMs
  const { left, arrived } = play(rule, { ...quick, ...weather }, { forMs, seed: 3 })
  expect(mostIn(arrived, rule.rate.windowMs)).toBeLessThanOrEqual(rule.rate.count)
  return left.length / (windows * rule.rate.count)
}

test('What a guard of 5 % leaves is used nearly whole, over roads short and long, and by models that write for a minute', () => {
  const second = rated(100, 1_000)
  expect(used(second)).toBeGreaterThan(0.93)
  expect(used(rated(100, 1_000, { window: 'sliding' }))).toBeGreaterThan(0.92)
  // Over the ocean, and a provider that takes its time.
  const far: Partial<Weather> = { wayMs: () => 80, workMs: (random) => 100 + random.next() * 300 }
  expect(used(second, far)).toBeGreaterThan(0.87)
  // Answers that take as long as they like say little about arrivals.
  expect(used(rated(60, 60_000), { workMs: (random) => 1_000 + random.next() * 59_000 })).toBeGreaterThan(0.87)
  expect(used(rated(5, 1_000), { workMs: (random) => 500 + random.next() * 20_000 }, 120)).toBeGreaterThan(0.65)
})

test('A call whose answer never comes keeps its place until its own end, and a window longer', () => {
  const ledger = new Ledger({ count: 1, windowMs: 1_000 }, new Road())
  ledger.pend(1)
  const place = ledger.sent(0, 1)
  expect(ledger.readyAt(5_000, 1)).toBe(Infinity)
  ledger.known(place, 30_000, 1)
  expect(ledger.readyAt(30_000, 1)).toBeCloseTo(31_000)
  expect(ledger.used(31_001)).toBe(0)
})

test('An answer speaks for calls that left a little before its own, and for none beside or after it', () => {
  const road = new Road()
  const ledger = new Ledger({ count: 3, windowMs: 1_000 }, road)
  ledger.pend(3)
  for (const at of [0, 100, 104]) ledger.sent(at, 1)
  road.heard(104, 400)
  expect(ledger.used(1_399)).toBe(3)
  expect(ledger.used(1_401)).toBe(2)
  expect(ledger.readyAt(1_401, 3)).toBe(Infinity)
  road.heard(200, 1_500)
  expect(ledger.readyAt(1_520, 3)).toBeCloseTo(2_500)
})

test('Of a burst, those that were answered leave after a window; one that is not keeps its own place', () => {
  const ledger = new Ledger({ count: 3, windowMs: 1_000 }, new Road())
  ledger.pend(3)
  const [one, other] = [ledger.sent(0, 1), ledger.sent(0.5, 1)]
  ledger.sent(1, 1)
  ledger.known(one, 10, 1)
  ledger.known(other, 30, 1)
  expect(ledger.readyAt(40, 2)).toBeCloseTo(1_030)
  expect(ledger.readyAt(40, 3)).toBe(Infinity)
  expect(ledger.used(1_029)).toBe(3)
  expect(ledger.used(1_032)).toBe(1)
  expect(ledger.readyAt(1_032, 2)).toBe(1_032)
})

test('A stall that begins in the middle of a burst shows no window more than it allows', () => {
  const rule = rated(100, 1_000, { window: 'sliding' })
  const { arrived } = play(rule, { ...quick, stalls: [[5_066, 5_080]] }, { forMs: 20_000, seed: 657_571_549 })
  expect(mostIn(arrived, 1_000)).toBeLessThanOrEqual(100)
})

test('One stall does not pass for what is usual', () => {
  const road = new Road()
  for (let at = 0; at < 10_000; at += 20) road.heard(at, at + 10)
  expect([road.leastMs, road.spreadMs]).toEqual([10, 0])
  // All that waited for three seconds comes in one moment.
  for (let at = 10_000; at < 13_000; at += 20) road.heard(at, 13_000 + at / 1_000)
  expect(road.leastMs).toBe(10)
  expect(road.spreadMs).toBeLessThan(20)
})

test('A window of quick answers is kept in its parts, however many calls it has', () => {
  const windowMs = 60_000
  const lane = new Lane({ count: 1_000_000, windowMs }, new Road())
  const most = { groups: 0, total: 0 }
  for (let nowMs = 0; nowMs < 2 * windowMs; nowMs += 2) {
    const place = lane.sent(nowMs, 1)
    place.open -= 1
    place.knownMs = nowMs + 1
    lane.settle(nowMs + 1)
    most.groups = Math.max(most.groups, lane.size)
    most.total = Math.max(most.total, lane.total)
  }
  expect(most.groups).toBeLessThanOrEqual(502)
  // Nothing leaves before its window is over, and a part of the window later all of it has left.
  expect(most.total).toBeGreaterThanOrEqual(windowMs / 2)
  expect(most.total).toBeLessThanOrEqual((windowMs / 2) * (1 + 1 / 250))
  lane.settle(3 * windowMs + windowMs / 500)
  expect(lane).toMatchObject({ size: 0, total: 0 })
})
