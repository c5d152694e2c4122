/** What the gate is told of the urgency of work. */
import { expect, test } from 'vitest'
import { asks, done, world } from './world.ts'

test('The gate hears how urgent work is before the agent gets it, with each attempt anew', async () => {
  const at = await world(1)
  await at.work.submit(asks(1, { priority: 9 }))
  await at.clock.move(0)
  await done(at, at.given[0]!)
  at.idle.push('settler/0001')
  await at.work.submit(asks(1, { key: 'later' }))
  await at.clock.move(0)
  expect(at.urgent).toEqual([
    { agent: 'settler/0001', priority: 9, given: 0 },
    { agent: 'settler/0001', priority: 5, given: 1 },
  ])
})
