import { expect, test } from 'vitest'
import { parseRetryAfter, pauseAfter } from '../../src/limit/limit.ts'
import { seeded } from '../../src/std/std.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')

test('Retry-After is read as seconds or as an HTTP date, cut at a day, and anything else is no answer', () => {
  expect(parseRetryAfter('2', nowMs)).toBe(2_000)
  expect(parseRetryAfter(' 0 ', nowMs)).toBe(0)
  expect(parseRetryAfter('999999999999', nowMs)).toBe(86_400_000)
  expect(parseRetryAfter('Sun, 01 Mar 2026 12:00:30 GMT', nowMs)).toBe(31_000)
  expect(parseRetryAfter('Sun, 01 Mar 2026 11:00:00 GMT', nowMs)).toBe(0)
  for (const junk of [undefined, '', '-1', '1.5', 'soon', '1e3', 'Sunday?', '2026-03-01'])
    expect(parseRetryAfter(junk, nowMs)).toBe(undefined)
})

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
