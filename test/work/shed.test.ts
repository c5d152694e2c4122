import { expect, test } from 'vitest'
import { assertUrgent, leastTaken } from '../../src/work/shed.ts'

test('up to half of the bound everything is taken, then less and less urgent tasks are refused, with a time to come back', () => {
  expect([0, 0.5, 0.55, 0.75, 0.99, 1.5].map(leastTaken)).toEqual([0, 0, 1, 5, 9, 9])
  expect(() => assertUrgent([{ priority: 0 }], 0.5)).not.toThrow()
  expect(() => assertUrgent([{ priority: 5 }], 0.75)).not.toThrow()
  expect(() => assertUrgent([{ priority: 5 }, { priority: 4 }], 0.75)).toThrow(
    expect.objectContaining({ code: 'overloaded', retryAfterMs: 1_000 }),
  )
})
