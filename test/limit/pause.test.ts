import { expect, test } from 'vitest'
import { openBuckets, pauseAfter } from '../../src/limit/limit.ts'
import { openPauses } from '../../src/limit/pauses.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock } from './clock.ts'

test('a pause is never shorter than the header, grows with refusals in a row, and other answers do not pause', () => {
  const random = seeded(3)
  for (let index = 0; index < 100; index += 1) {
    const pauseMs = pauseAfter({ status: 429, retryAfterMs: 2_000, strikes: 0 }, random)
    expect(pauseMs).toBeGreaterThan(2_000)
    expect(pauseMs).toBeLessThan(2_300)
  }
  expect(pauseAfter({ status: 429, retryAfterMs: undefined, strikes: 0 }, random)).toBeGreaterThanOrEqual(500)
  expect(pauseAfter({ status: 429, retryAfterMs: 1_000, strikes: 3 }, random)).toBeGreaterThanOrEqual(4_000)
  expect(pauseAfter({ status: 429, retryAfterMs: undefined, strikes: 50 }, random)).toBeLessThan(70_000)
  expect(pauseAfter({ status: 503, retryAfterMs: 5_000, strikes: 0 }, random)).toBeGreaterThan(5_000)
  expect(pauseAfter({ status: 503, retryAfterMs: undefined, strikes: 9 }, random)).toBe(undefined)
  expect(pauseAfter({ status: 529, retryAfterMs: 5_000, strikes: 0 }, random)).toBeGreaterThan(5_000)
  expect(pauseAfter({ status: 403, retryAfterMs: 5_000, strikes: 0 }, random)).toBeGreaterThan(5_000)
  expect(pauseAfter({ status: 404, retryAfterMs: 5_000, strikes: 0 }, random)).toBe(undefined)
  expect(pauseAfter({ status: 200, retryAfterMs: 5_000, strikes: 0 }, random)).toBe(undefined)
})

test('A limit that names no wait is left alone for a minute, twice as long each time it refuses again', () => {
  const clock = handClock()
  const pauses = openPauses({ clock, random: seeded(1), saved: [] })
  const leftMs = (): number => pauses.until('api') - clock.monoMs()
  for (const leastMs of [60_000, 120_000, 240_000]) {
    expect(pauses.limited('api', clock.monoMs())).toBe(true)
    expect(leftMs()).toBeGreaterThan(leastMs)
    expect(leftMs()).toBeLessThan(leastMs + 5_002)
    // Those that were under way.
    expect(pauses.limited('api', clock.monoMs() - 10)).toBe(false)
    clock.advance(leftMs() + 1)
  }
  pauses.answered('api', { status: 200, retryAfterMs: undefined, sentMs: clock.monoMs() })
  pauses.limited('api', clock.monoMs())
  expect(leftMs()).toBeLessThan(66_000)
})

test('A wait that was asked for goes before what else is said to be left', () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const scope = { upstream: 'api', credential: 'key', agent: null }
  const headers = [
    ['retry-after', '30'],
    ['ratelimit', '"default";r=50;t=5'],
    ['x-ratelimit-remaining', '10'],
  ] as const
  buckets.answered(scope, { gauges: [], status: 429, headers, sentMs: 0, learn: true, knownLimits: {} })
  expect(buckets.pausedUntil(scope) - clock.monoMs()).toBeGreaterThan(30_000)
})
