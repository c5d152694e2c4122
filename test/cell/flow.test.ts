import fc from 'fast-check'
import { expect, test } from 'vitest'
import { flow } from '../../src/cell/flow.ts'

test('A burst of 5,000 and then 1,000 a second pass, and nothing is ever dropped at that rate', () => {
  const { judge } = flow(0)
  for (let count = 0; count < 5_000; count += 1) expect(judge(0)).toBe('taken')
  for (let ms = 1; ms <= 10_000; ms += 1) expect(judge(ms)).toBe('taken')
  expect(judge(10_000)).toBe('strike')
})

test('The third strike cuts, and a minute of peace forgives', () => {
  const { judge } = flow(0)
  const flood = (atMs: number): string[] =>
    Array.from({ length: 6_000 }, () => judge(atMs)).filter((verdict) => verdict !== 'taken')
  expect(new Set(flood(0))).toEqual(new Set(['strike', 'dropped']))
  expect(flood(1_000)[0]).toBe('strike')
  expect(flood(100_000)[0]).toBe('strike')
  expect(flood(101_000)[0]).toBe('strike')
  expect(flood(102_000)[0]).toBe('cut')
})

test('No window of any length sees more than the burst and its share', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 400 }), (gaps) => {
      const { judge } = flow(0)
      const taken: number[] = []
      let nowMs = 0
      for (const gap of gaps) {
        nowMs += gap
        for (let count = 0; count < 60; count += 1) if (judge(nowMs) === 'taken') taken.push(nowMs)
      }
      const [first = 0, last = 0] = [taken[0], taken.at(-1)]
      expect(taken.length).toBeLessThanOrEqual(5_000 + (last - first) + 1)
    }),
  )
})

test('The ends of tasks that were given out pass beyond the share, but no more than the burst at once', () => {
  const { judge, expect: owed } = flow(0)
  for (let count = 0; count < 5_000; count += 1) judge(0)
  owed(3)
  expect([judge(0), judge(0), judge(0), judge(0)]).toEqual(['taken', 'taken', 'taken', 'strike'])
  owed(9_000)
  const taken = Array.from({ length: 9_000 }, () => judge(0)).filter((verdict) => verdict === 'taken')
  expect(taken).toHaveLength(5_000)
})
