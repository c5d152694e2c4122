import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  admitted,
  emptyTat,
  freshBucket,
  givenUp,
  readyAtMs,
  sent,
  shapeOf,
  type Bucket,
} from '../../src/limit/shape.ts'

const rules = fc.record({
  rate: fc.record({ count: fc.integer({ min: 1, max: 60 }), windowMs: fc.constantFrom(1_000, 60_000, 3_600_000) }),
  burst: fc.integer({ min: 1, max: 80 }),
  guard: fc.constantFrom(0, 0.05, 0.3),
  weights: fc.constant([]),
})
/** Steps of the world: time passes, somebody wants to send, an admitted call leaves late or is given up. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), share: fc.double({ min: 0, max: 0.4, noNaN: true }) }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), share: fc.constant(0) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('leave' as const), share: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('give-up' as const), share: fc.constant(0) }) },
  ),
  { maxLength: 400 },
)

const mostIn = (times: readonly number[], windowMs: number): number =>
  Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at <= from + windowMs).length))

test('no closed window of any length-W ever holds more than N calls, however late admitted calls really leave', () => {
  fc.assert(
    fc.property(rules, steps, (rule, world) => {
      const shape = shapeOf(rule)
      let bucket: Bucket = freshBucket
      let nowMs = 1_000_000
      const times: number[] = []
      for (const step of world) {
        if (step.kind === 'pass') nowMs += step.share * shape.windowMs
        else if (step.kind === 'ask') {
          if (readyAtMs(shape, bucket, nowMs) <= nowMs) bucket = admitted(bucket)
        } else if (bucket.pending > 0 && step.kind === 'give-up') bucket = givenUp(bucket)
        else if (bucket.pending > 0) {
          bucket = sent(shape, bucket, nowMs)
          times.push(nowMs)
        }
      }
      expect(mostIn(times, shape.windowMs)).toBeLessThanOrEqual(shape.count)
    }),
    { numRuns: 2_000 },
  )
})

test('a greedy sender gets nearly the whole allowed rate, and the moment it is told to wait for is exact', () => {
  fc.assert(
    fc.property(rules, (rule) => {
      const shape = shapeOf(rule)
      let bucket: Bucket = freshBucket
      let nowMs = 0
      const times: number[] = []
      for (let index = 0; index < 200; index += 1) {
        const readyMs = readyAtMs(shape, bucket, nowMs)
        if (readyMs > nowMs)
          expect(readyAtMs(shape, bucket, readyMs - shape.intervalMs / 1_000)).toBeGreaterThan(
            readyMs - shape.intervalMs / 1_000,
          )
        nowMs = readyMs
        bucket = sent(shape, admitted(bucket), nowMs)
        times.push(nowMs)
      }
      expect(mostIn(times, shape.windowMs)).toBeLessThanOrEqual(shape.count)
      expect(mostIn(times, shape.windowMs)).toBeGreaterThanOrEqual(shape.count - 1)
    }),
  )
})

test('whatever was sent, a bucket is never further ahead than an empty one', () => {
  fc.assert(
    fc.property(rules, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 100 }), (rule, gaps) => {
      const shape = shapeOf(rule)
      let bucket: Bucket = freshBucket
      let nowMs = 0
      for (const gap of gaps) {
        nowMs += gap * shape.intervalMs
        if (readyAtMs(shape, bucket, nowMs) <= nowMs) bucket = sent(shape, admitted(bucket), nowMs)
        expect(bucket.tatMs).toBeLessThanOrEqual(emptyTat(shape, nowMs) + 1e-6)
      }
    }),
  )
})

test('the example of the documentation: 400/s with burst 40 and 5 % guard is at most 380 in any second, 40 of them at once', () => {
  const shape = shapeOf({ rate: { count: 400, windowMs: 1_000 }, burst: 40, guard: 0.05, weights: [] })
  expect(shape.count).toBe(380)
  let bucket: Bucket = freshBucket
  let atOnce = 0
  while (readyAtMs(shape, bucket, 0) <= 0) {
    bucket = sent(shape, admitted(bucket), 0)
    atOnce += 1
  }
  expect(atOnce).toBe(40)
})
