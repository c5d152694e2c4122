import { expect, test } from 'vitest'
import { pauseAfter } from '../../src/limit/limit.ts'
import { seeded } from '../../src/std/std.ts'

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
  expect(pauseAfter({ status: 200, retryAfterMs: 5_000, strikes: 0 }, random)).toBe(undefined)
})
