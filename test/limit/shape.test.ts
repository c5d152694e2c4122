import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admitted, emptyTat, freshBucket, readyAtMs, sent, shapeOf, type Bucket } from '../../src/limit/shape.ts'

const rules = fc.record({
  rate: fc.record({ count: fc.integer({ min: 1, max: 60 }), windowMs: fc.constantFrom(1_000, 60_000, 3_600_000) }),
  burst: fc.integer({ min: 1, max: 80 }),
  guard: fc.constantFrom(0, 0.05, 0.3),
  weights: fc.constant([]),
})
test('a greedy sender goes at the pace of the limit, and the moment it is told to wait for is exact', () => {
  fc.assert(
    fc.property(rules, (rule) => {
      const shape = shapeOf(rule)
      let bucket: Bucket = freshBucket
      let nowMs = 0
      const burst = Math.round(shape.toleranceMs / shape.intervalMs) + 1
      for (let index = 0; index < 200; index += 1) {
        const readyMs = readyAtMs(shape, bucket, nowMs)
        if (readyMs > nowMs)
          expect(readyAtMs(shape, bucket, readyMs - shape.intervalMs / 1_000)).toBeGreaterThan(
            readyMs - shape.intervalMs / 1_000,
          )
        nowMs = readyMs
        bucket = sent(shape, admitted(bucket), nowMs)
        expect(nowMs).toBeCloseTo(Math.max(0, index + 1 - burst) * shape.intervalMs, 3)
      }
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
