import { expect, test } from 'vitest'
import { assertUrgent, leastTaken } from '../../src/work/shed.ts'
import { asks, world } from './world.ts'

test('up to half of the bound everything is taken, then less and less urgent tasks are refused, with a time to come back', () => {
  expect([0, 0.5, 0.55, 0.75, 0.99, 1.5].map(leastTaken)).toEqual([0, 0, 1, 5, 9, 9])
  expect(() => assertUrgent([{ priority: 0 }], 0.5)).not.toThrow()
  expect(() => assertUrgent([{ priority: 5 }], 0.75)).not.toThrow()
  expect(() => assertUrgent([{ priority: 5 }, { priority: 4 }], 0.75)).toThrow(
    expect.objectContaining({ code: 'overloaded', retryAfterMs: 1_000 }),
  )
})

test('a submission that load refuses is refused whole, with nothing written; what is urgent enough is taken', async () => {
  const at = await world(0)
  let load = 0.75
  Object.defineProperty(at.store, 'load', { get: () => load })
  const [lesser, urgent] = [asks(2, { priority: 4 }), asks(1, { priority: 5, key: 'urgent' })]
  const refused = { code: 'overloaded', retryAfterMs: 1_000 }
  await expect(at.work.submit([...urgent, ...lesser])).rejects.toMatchObject(refused)
  const there = async (): Promise<number> =>
    (await at.store.read.taskCounts()).reduce((sum, { count }) => sum + count, 0)
  expect(await there()).toBe(0)
  await at.work.submit(urgent)
  expect(await there()).toBe(1)
  load = 0.5
  await at.work.submit(lesser)
  expect(await there()).toBe(3)
})
