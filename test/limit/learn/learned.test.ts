/** Limits that are learned from answers, played against providers that count for themselves. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { openBuckets, type Buckets } from '../../../src/limit/limit.ts'
import { openLearned } from '../../../src/limit/learn/learned.ts'
import { paceNow, slower } from '../../../src/limit/learn/pace.ts'
import { seeded, type Clock } from '../../../src/std/std.ts'
import { handClock, type HandClock } from '../clock.ts'

const scope = { upstream: 'api', credential: 'key', agent: null }
const watching = { endpoint: 'GET /**', learn: true, breaker: null }
type Headers = readonly (readonly [string, string])[]

interface Provider {
  /** Counts a call, and gives what it answers. */
  ask(): { readonly status: number; readonly headers: Headers }
  readonly seen: Map<number, number>
}

/** So many calls in each of its windows, and it says so. */
const windowed = (
  clock: Clock,
  count: number,
  windowMs: number,
  say: (left: number, resetMs: number) => Headers,
): Provider => {
  const seen = new Map<number, number>()
  return {
    seen,
    ask: () => {
      const nowMs = clock.monoMs()
      const window = Math.floor(nowMs / windowMs)
      const used = (seen.get(window) ?? 0) + 1
      seen.set(window, used)
      const resetMs = (window + 1) * windowMs - nowMs
      return { status: used > count ? 429 : 200, headers: say(Math.max(0, count - used), resetMs) }
    },
  }
}

/** Sends whatever may go at once, for this long; each way to the provider and back takes its time. */
const greedy = (
  world: { clock: HandClock; buckets: Buckets },
  provider: Provider,
  ask: { forMs: number; tripMs: () => number; first: number },
): number => {
  const { clock, buckets } = world
  const endMs = clock.monoMs() + ask.forMs
  let sent = 0
  let under = 0
  const send = (): void => {
    const gauges = buckets.applied([], scope, watching)
    buckets.admit(gauges)
    const sentMs = clock.monoMs()
    buckets.sent(gauges, sentMs)
    sent += 1
    under += 1
    clock.timer(ask.tripMs(), () => {
      const { status, headers } = provider.ask()
      clock.timer(ask.tripMs(), () => {
        under -= 1
        buckets.answered(scope, { gauges, status, headers, sentMs, learn: true, knownLimits: {} })
        buckets.ended(gauges, false)
      })
    })
  }
  for (let index = 0; index < ask.first; index += 1) send()
  while (clock.monoMs() < endMs) {
    for (let turn = 0; turn < 50 && under < 50; turn += 1) {
      const gauges = buckets.applied([], scope, watching)
      const readyMs = Math.max(buckets.readyAt(gauges, clock.monoMs()).atMs, buckets.pausedUntil(scope))
      if (readyMs > clock.monoMs()) break
      // Before the first answer nothing is known: a careful user sends one.
      if (sent === ask.first && under > 0) break
      send()
    }
    clock.advance(5)
  }
  return sent
}

const open = (): { clock: HandClock; buckets: Buckets } => {
  const clock = handClock()
  return { clock, buckets: openBuckets({ clock, random: seeded(1), saved: [] }) }
}

property.prop([
  fc.integer({ min: 2, max: 60 }),
  fc.constantFrom(2_000, 10_000, 60_000),
  fc.integer({ min: 0, max: 60 }),
  fc.integer(),
])(
  'What a provider says is left is never exceeded, with many calls under way and in its next windows too',
  (count, windowMs, mostTripMs, seed) => {
    const world = open()
    const random = seeded(seed)
    const provider = windowed(world.clock, count, windowMs, (left, resetMs) => [
      ['ratelimit-policy', `"main";q=${count};w=${windowMs / 1_000}`],
      ['ratelimit', `"main";r=${left};t=${Math.floor(resetMs / 1_000)}`],
    ])
    greedy(world, provider, { forMs: 4 * windowMs, tripMs: () => 1 + random.next() * mostTripMs, first: 1 })
    for (const used of provider.seen.values()) expect(used).toBeLessThanOrEqual(count)
    // It is used, too: nobody waits for ever.
    expect(Math.max(...provider.seen.values())).toBeGreaterThanOrEqual(0.75 * count - 1)
  },
)

test('Tokens are waited for when they are used up, and calls go on as long as some are left', () => {
  const { clock, buckets } = open()
  const hear = (left: number): void => {
    const headers = [
      ['x-ratelimit-remaining-tokens', String(left)],
      ['x-ratelimit-reset-tokens', '6s'],
    ] as const
    buckets.answered(scope, { gauges: [], status: 200, headers, sentMs: clock.monoMs(), learn: true, knownLimits: {} })
  }
  const readyInMs = (): number =>
    buckets.readyAt(buckets.applied([], scope, watching), clock.monoMs()).atMs - clock.monoMs()
  hear(1)
  expect(readyInMs()).toBe(0)
  hear(0)
  expect(readyInMs()).toBe(7_000)
  clock.advance(7_000)
  expect(readyInMs()).toBe(0)
})

test('Of a provider that only tells what was used, the known limit decides', () => {
  const { clock, buckets } = open()
  const used = (weight: number): boolean => {
    const headers = [['x-mbx-used-weight-1m', String(weight)]] as const
    buckets.answered(scope, {
      gauges: [],
      status: 200,
      headers,
      sentMs: clock.monoMs(),
      learn: true,
      knownLimits: { 'weight-1M': 6_000 },
    })
    return buckets.readyAt(buckets.applied([], scope, watching), clock.monoMs()).atMs <= clock.monoMs()
  }
  expect(used(5_999)).toBe(true)
  expect(used(6_000)).toBe(false)
  expect(buckets.isUsedUp(scope)).toBe(true)
})

test('What is left is saved with its window: a new gate does not begin the window anew', () => {
  const clock = handClock()
  const first = openLearned(clock, [])
  first.gauge('api\nkey')
  first.hear(
    'api\nkey',
    {
      retryAfterMs: null,
      signals: [
        { name: 'main', unit: 'requests', limit: 10, remaining: 1, used: null, resetMs: 30_000, windowMs: 60_000 },
      ],
    },
    { refused: false, limits: {} },
  )
  const gauge = first.gauge('api\nkey')
  gauge.admit(clock.monoMs())
  const saved = first.changed(clock.stamp())
  expect(saved.map(({ name }) => name.split('\n')[0])).toEqual(['learned', 'quota'])
  clock.advance(5_000)
  const next = openLearned(clock, saved).gauge('api\nkey')
  expect(next.readyAt(clock.monoMs())).toBe(clock.monoMs() + 26_000)
  clock.advance(26_000)
  expect(next.readyAt(clock.monoMs())).toBe(clock.monoMs())
  // How much the next window has it knows as well.
  for (let sent = 0; sent < 10; sent += 1) {
    expect(next.readyAt(clock.monoMs())).toBe(clock.monoMs())
    next.admit(clock.monoMs())
  }
  expect(next.readyAt(clock.monoMs())).toBeGreaterThan(clock.monoMs())
})

test('Where a provider refuses and says nothing, its pace is found, and few are refused after that', () => {
  const world = open()
  const provider = windowed(world.clock, 20, 1_000, () => [])
  const refused = (): number => [...provider.seen.values()].reduce((sum, used) => sum + Math.max(0, used - 20), 0)
  greedy(world, provider, { forMs: 20_000, tripMs: () => 10, first: 1 })
  const learning = refused()
  greedy(world, provider, { forMs: 100_000, tripMs: () => 10, first: 0 })
  expect((refused() - learning) / 100).toBeLessThan(1)
  const seen = [...provider.seen.values()].slice(-100)
  expect(seen.reduce((sum, used) => sum + Math.min(20, used), 0) / seen.length).toBeGreaterThan(8)
})

test('A pace goes down by a third, comes back slowly, and is forgotten at twice of what was refused', () => {
  const first = slower(null, 30, 0)
  expect(first).toEqual({ perSecond: 30 * 0.67, refusedAt: 30, changedMs: 0 })
  expect(slower(first, 30, 500)).toBe(first)
  expect(paceNow(first, 10_000)).toBeCloseTo(30 * 0.67 + 1.5)
  expect(paceNow(first, 300_000)).toBeNull()
  expect(slower(null, 0, 0).perSecond).toBeGreaterThan(0)
})

const told = (name: string): Parameters<ReturnType<typeof openLearned>['hear']>[1] => ({
  retryAfterMs: null,
  signals: [{ name, unit: 'requests', limit: null, remaining: 5, used: null, resetMs: 3_600_000, windowMs: null }],
})
const heard = { refused: false, limits: {} }

test('A limit that an answer named once and none names again holds nobody up after its window', () => {
  const clock = handClock()
  const learned = openLearned(clock, [])
  learned.gauge('api\nkey')
  learned.hear('api\nkey', told('once'), heard)
  clock.advance(3_700_000)
  for (let count = 0; count < 5; count += 1) {
    const gauge = learned.gauge('api\nkey')
    expect(gauge.readyAt(clock.monoMs())).toBe(clock.monoMs())
    gauge.admit(clock.monoMs())
    gauge.sent(clock.monoMs())
    gauge.heard!(clock.monoMs())
    learned.hear('api\nkey', { retryAfterMs: null, signals: [] }, heard)
  }
})

test('A provider that names its limits anew with each answer fills no memory', () => {
  const clock = handClock()
  const learned = openLearned(clock, [])
  for (let count = 0; count < 500; count += 1) learned.hear('api\nkey', told(`limit-${count}`), heard)
  expect(learned.known('api\nkey')).toHaveLength(16)
  expect(learned.known('api\nkey').at(-1)!.name).toBe('limit-499')
})

/** Binance's form: weights used of the provider's own minute, by its own clock. */
const weighed = (clock: HandClock, buckets: Buckets) => {
  const heavy = [
    {
      per: 'host',
      rate: { count: 1_000_000, windowMs: 1_000 },
      burst: 1_000_000,
      guard: 0,
      window: 'sliding',
      match: [],
      weights: [],
    },
  ] as const
  const of = { ...scope, host: 'api.example:443' }
  const perHost = ['weight-']
  const gauges = (weight: number) =>
    buckets.applied(heavy, of, { endpoint: 'GET /**', learn: true, breaker: null, perHost, weigh: () => weight })
  return {
    gauges,
    hear: (used: number, dateMs = clock.wallMs()): void => {
      buckets.answered(of, {
        gauges: [],
        status: 200,
        headers: [
          ['x-mbx-used-weight-1m', String(used)],
          ['date', new Date(dateMs).toUTCString()],
        ],
        sentMs: clock.monoMs(),
        learn: true,
        knownLimits: { 'weight-1M': 6_000 },
        perHost,
      })
    },
    waitMs: (weight: number): number => buckets.readyAt(gauges(weight), clock.monoMs()).atMs - clock.monoMs(),
    known: () => buckets.known(of),
  }
}

test('A call takes its weight of what is left, and one that weighs more than that waits for the next minute', () => {
  const { clock, buckets } = open()
  const { gauges, hear, waitMs } = weighed(clock, buckets)
  hear(2_000)
  const first = gauges(3_900)
  expect(waitMs(3_900)).toBe(0)
  buckets.admit(first)
  expect(waitMs(101)).toBeGreaterThan(0)
  expect(waitMs(101)).not.toBe(Infinity)
  // The last tenth goes one at a time: nobody knows who else is there until the next answer.
  expect(waitMs(50)).toBe(Infinity)
  buckets.sent(first, clock.monoMs())
  expect(waitMs(50)).toBe(Infinity)
  buckets.ended(first, false)
  expect(waitMs(50)).toBe(0)
})

test('Its minutes end by its own clock, and an answer that was long on its way does not speak for the next one', () => {
  const { clock, buckets } = open()
  const { hear, waitMs, known } = weighed(clock, buckets)
  const left = (): number | null | undefined => known().find(({ name }) => name === 'weight-1M')?.left
  // 40 s before the end of a minute.
  clock.advance(60_000 - (clock.wallMs() % 60_000) + 20_000)
  hear(6_000)
  expect(waitMs(1)).toBe(41_000)
  for (let minute = 0; minute < 10; minute += 1) {
    clock.advance(waitMs(1))
    const lateMs = clock.wallMs() - (clock.wallMs() % 60_000) - 500
    expect(waitMs(1)).toBe(0)
    hear(10)
    hear(5_900, lateMs)
    expect(left()).toBe(5_990)
    hear(6_000)
    // Always a second behind the true end, never further.
    expect((clock.wallMs() + waitMs(1)) % 60_000).toBe(1_000)
  }
})
