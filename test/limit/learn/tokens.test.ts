/** Limits on tokens, played against providers that count for themselves; and what a new gate still knows. */
import { expect, test } from 'vitest'
import { openBuckets, type Buckets } from '../../../src/limit/limit.ts'
import { seeded, type Clock } from '../../../src/std/std.ts'
import { handClock } from '../clock.ts'

const scope = { upstream: 'api', credential: 'key', agent: null }
const watching = { endpoint: 'POST /**', learn: true, breaker: null }
type Headers = readonly (readonly [string, string])[]

interface Counted {
  readonly isIn: boolean
  readonly left: number
  readonly resetMs: number
  readonly waitMs: number
}
type Counter = (clock: Clock, limit: number) => (tokens: number) => Counted
const minuteMs = 60_000

/** All comes back at once, with each minute. */
const fixed: Counter = (clock, limit) => {
  let [window, used] = [-1, 0]
  return (tokens) => {
    const nowMs = clock.monoMs()
    if (Math.floor(nowMs / minuteMs) !== window) [window, used] = [Math.floor(nowMs / minuteMs), 0]
    const isIn = used + tokens <= limit
    if (isIn) used += tokens
    const resetMs = minuteMs - (nowMs % minuteMs)
    return { isIn, left: limit - used, resetMs, waitMs: resetMs }
  }
}
/** They come back bit by bit. */
const bucket: Counter = (clock, limit) => {
  let [left, atMs] = [limit, clock.monoMs()]
  return (tokens) => {
    const nowMs = clock.monoMs()
    left = Math.min(limit, left + ((nowMs - atMs) * limit) / minuteMs)
    atMs = nowMs
    const isIn = tokens <= left
    if (isIn) left -= tokens
    const msFor = (missing: number): number => (missing / limit) * minuteMs
    return { isIn, left: Math.floor(left), resetMs: msFor(limit - left), waitMs: msFor(tokens - left) }
  }
}
/** Each call's come back a minute after it. */
const sliding: Counter = (clock, limit) => {
  let taken: { readonly atMs: number; readonly tokens: number }[] = []
  return (tokens) => {
    const nowMs = clock.monoMs()
    taken = taken.filter(({ atMs }) => nowMs - atMs < minuteMs)
    const used = taken.reduce((sum, one) => sum + one.tokens, 0)
    const isIn = used + tokens <= limit
    if (isIn) taken.push({ atMs: nowMs, tokens })
    const resetMs = (taken[0]?.atMs ?? nowMs - minuteMs) + minuteMs - nowMs
    return { isIn, left: limit - used - (isIn ? tokens : 0), resetMs, waitMs: resetMs }
  }
}

const limit = 30_000

/** Ten minutes of so many agents that always want more; answers take 1 to 3 s and overtake each other. */
const play = (count: Counter, agents: number, tokensOf: (chance: number) => number) => {
  const clock = handClock()
  const random = seeded(7)
  const buckets = openBuckets({ clock, random, saved: [] })
  const provider = count(clock, limit)
  const startMs = clock.monoMs()
  const seen = { used: 0, refused: 0, refusedLate: 0 }
  let under = 0
  const send = (): void => {
    const gauges = buckets.applied([], scope, watching)
    buckets.admit(gauges)
    const sentMs = clock.monoMs()
    buckets.sent(gauges, sentMs)
    under += 1
    clock.timer(100, () => {
      const tokens = tokensOf(random.next())
      const { isIn, left, resetMs, waitMs } = provider(tokens)
      if (isIn) seen.used += tokens
      else seen.refused += 1
      if (!isIn && clock.monoMs() > startMs + 65_000) seen.refusedLate += 1
      const headers: Headers = [
        ['anthropic-ratelimit-tokens-limit', String(limit)],
        ['anthropic-ratelimit-tokens-remaining', String(left)],
        ['anthropic-ratelimit-tokens-reset', new Date(clock.wallMs() + resetMs).toISOString()],
        ...(isIn ? [] : [['retry-after', String(Math.ceil(waitMs / 1_000))] as const]),
      ]
      clock.timer(1_000 + 2_000 * random.next(), () => {
        under -= 1
        buckets.answered(scope, { gauges, status: isIn ? 200 : 429, headers, sentMs, learn: true, knownLimits: {} })
        buckets.ended(gauges, false)
      })
    })
  }
  const mayGo = (): boolean => {
    const { atMs } = buckets.readyAt(buckets.applied([], scope, watching), clock.monoMs())
    return Math.max(atMs, buckets.pausedUntil(scope)) <= clock.monoMs()
  }
  while (clock.monoMs() < startMs + 10 * minuteMs) {
    while (under < agents && mayGo()) send()
    clock.advance(50)
  }
  return { ...seen, share: seen.used / (10 * limit) }
}

const even = (): number => 1_000
const uneven = (chance: number): number => 300 + Math.floor(1_400 * chance)

for (const [name, count, least] of [
  ['come back at once', fixed, 0.65],
  ['come back bit by bit', bucket, 0.8],
  ['slide', sliding, 0.45],
] as const)
  for (const agents of [20, 200])
    test(`Tokens that ${name} are hardly ever exceeded by ${agents} agents once they are known, and used`, () => {
      for (const tokensOf of [even, uneven]) {
        const { refusedLate, share } = play(count, agents, tokensOf)
        expect(refusedLate).toBeLessThanOrEqual(5)
        expect(share).toBeGreaterThan(least)
      }
    })

/** Another gate over what the first one saved. */
const after = (clock: Clock, buckets: Buckets): Buckets =>
  openBuckets({ clock, random: seeded(1), saved: buckets.changed() })

const call = (clock: Clock, buckets: Buckets, status: number, headers: Headers): void => {
  const gauges = buckets.applied([], scope, watching)
  buckets.admit(gauges)
  const sentMs = clock.monoMs()
  buckets.sent(gauges, sentMs)
  buckets.answered(scope, { gauges, status, headers, sentMs, learn: true, knownLimits: {} })
  buckets.ended(gauges, false)
}

/** How many go at once, with no answer meanwhile. */
const burst = (clock: Clock, buckets: Buckets): number => {
  let sent = 0
  for (;;) {
    const gauges = buckets.applied([], scope, watching)
    if (sent >= 1_000 || buckets.readyAt(gauges, clock.monoMs()).atMs > clock.monoMs()) return sent
    buckets.admit(gauges)
    buckets.sent(gauges, clock.monoMs())
    sent += 1
  }
}

test('A new gate still knows a limit on tokens, and what calls take of it', () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const told = (left: number): Headers => [
    ['anthropic-ratelimit-tokens-limit', '10000'],
    ['anthropic-ratelimit-tokens-remaining', String(left)],
    ['anthropic-ratelimit-tokens-reset', new Date(clock.wallMs() + 60_000).toISOString()],
  ]
  for (const left of [9_000, 8_000, 7_000]) call(clock, buckets, 200, told(left))
  const next = after(clock, buckets)
  expect(next.known(scope)).toEqual([{ name: 'tokens', left: 7_000, untilMs: clock.monoMs() + 61_000 }])
  // The last tenth goes one by one, behind whatever is under way.
  expect(burst(clock, next)).toBe(7)
})

test('A new gate still knows how much a whole window has, though the one that was told of is over', () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const told: Headers = [
    ['ratelimit-policy', '"default";q=50;w=10'],
    ['ratelimit', '"default";r=1;t=10'],
  ]
  call(clock, buckets, 200, told)
  const next = after(clock, buckets)
  clock.advance(12_000)
  expect(burst(clock, next)).toBe(50)
})

test('A new gate goes on at the pace that the one before had found, and forgets it when it is over', () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  for (let sent = 0; sent < 40; sent += 1) {
    call(clock, buckets, 200, [])
    clock.advance(50)
  }
  call(clock, buckets, 429, [])
  const [before] = buckets.paces('api')
  const saved = buckets.changed()
  clock.reboot()
  const next = openBuckets({ clock, random: seeded(1), saved })
  const [pace] = next.paces('api')
  expect(before!.perSecond).toBeGreaterThan(5)
  expect(pace!.credential).toBe('key')
  expect(pace!.perSecond).toBeCloseTo(before!.perSecond, 1)
  clock.advance(3_000)
  expect(burst(clock, next)).toBe(1)
  clock.advance(400_000)
  expect(openBuckets({ clock, random: seeded(1), saved }).paces('api')).toEqual([])
})
