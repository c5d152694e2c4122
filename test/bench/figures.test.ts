/** The bench's own arithmetic: a wrong ratio or an unseen double delivery would make every figure worthless. */
import { expect, test } from 'vitest'
import { payload } from '../../bench/contestant.ts'
import { delivery, percentile, ratio, show, spread } from '../../bench/figures.ts'

test('the median of an even number of values is the mean of the two in the middle', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, max: 4 })
  expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 })
})

test('nothing measured is NaN and printed as none, never as a zero', () => {
  expect(spread([]).median).toBeNaN()
  expect(percentile([], 0.5)).toBeNaN()
  expect(show(spread([]))).toBe('none (none–none)')
})

test('a percentile is a value that was measured', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(percentile(values, 0.5)).toBe(50)
  expect(percentile(values, 0.99)).toBe(99)
  expect(percentile([7], 0.99)).toBe(7)
})

test('ratios are taken within a round, and a round that one side did not finish counts for nothing', () => {
  expect(ratio([100, 50, null, 80], [50, 50, 10, null])).toEqual({ min: 1, median: 1.5, max: 2 })
})

test('every task once is exact', () => {
  const outcomes = [
    { n: 0, pid: 1, runs: 1 },
    { n: 1, pid: 2, runs: 1 },
    { n: 2, pid: 1, runs: 2 },
  ]
  expect(delivery(3, outcomes)).toMatchObject({ recorded: 3, twice: 0, runs: 3, exact: true })
})

test('a task that ran twice shows although its outcome was recorded once', () => {
  const outcomes = [
    { n: 0, pid: 1, runs: 1 },
    { n: 1, pid: 1, runs: 3 },
  ]
  expect(delivery(2, outcomes)).toMatchObject({ recorded: 2, twice: 0, runs: 3, exact: false })
})

test('an outcome told twice and a task without outcome are not exact', () => {
  const told = { n: 0, pid: 1, runs: 1 }
  expect(delivery(1, [told, told])).toMatchObject({ twice: 1, exact: false })
  expect(delivery(2, [told])).toMatchObject({ recorded: 1, exact: false })
})

test('every payload has 100 bytes', () => {
  for (const n of [0, 9, 12_345, 999_999]) expect(Buffer.byteLength(JSON.stringify(payload(n)))).toBe(100)
})
