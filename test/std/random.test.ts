import fc from 'fast-check'
import { expect, test } from 'vitest'
import { between, seeded } from '../../src/std/std.ts'

test('One seed gives one sequence, another seed another', () => {
  const draw = (seed: number): number[] => {
    const random = seeded(seed)
    return Array.from({ length: 50 }, () => random.next())
  }
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (seed, other) => {
      fc.pre(seed !== other)
      expect(draw(seed)).toEqual(draw(seed))
      expect(draw(seed)).not.toEqual(draw(other))
    }),
  )
})

test('A draw lies within its bounds, and reaches both', () => {
  const random = seeded(3)
  const drawn = Array.from({ length: 2_000 }, () => between(random, -2, 3))
  expect([...new Set(drawn)].toSorted((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3])
})

test('Sixteen equal boxes fill about equally', () => {
  const random = seeded(11)
  const boxes = Array.from({ length: 16 }, () => 0)
  for (let draw = 0; draw < 16_000; draw += 1) boxes[Math.floor(random.next() * 16)]! += 1
  expect(Math.min(...boxes)).toBeGreaterThan(850)
  expect(Math.max(...boxes)).toBeLessThan(1_150)
})
