/** What a mode makes of work: nothing is given out while parked, and what it forbids is no try. */
import { expect, test } from 'vitest'
import { asks, done, fail, stateOf, world } from './world.ts'

test('tasks of whom nobody may start wait without a time and without an attempt, and are ready when it is over', async () => {
  const at = await world(0)
  at.mode = { mode: 'parked', person: true }
  at.work.remoded()
  await at.work.submit(asks(3))
  await at.clock.move(2_000)
  expect(await at.store.read.taskCounts()).toMatchObject([{ state: 'waiting', count: 3 }])
  expect((await at.work.summary()).idle).toBe(true)
  // By rule it comes back by itself: then nothing has come to its end.
  at.mode = { mode: 'parked', person: false }
  expect((await at.work.summary()).idle).toBe(false)
  at.mode = { mode: 'active', person: false }
  at.work.remoded()
  at.idle.push('settler/0001', 'settler/0002', 'settler/0003')
  await at.clock.move(0)
  at.work.free('settler')
  await at.clock.move(0)
  expect(at.given.map(({ number }) => number)).toEqual([1, 1, 1])
})

test('whatever fails while its agent is parked, and what says that a mode forbade it, is no try; anything else is', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  const again = async (error: object): Promise<number> => {
    await fail(at, at.given.at(-1)!, error)
    at.mode = { mode: at.mode.mode === 'parked' ? 'active' : at.mode.mode, person: false }
    at.idle.push('settler/0001')
    await at.clock.move(60_000)
    return at.given.at(-1)!.number
  }
  at.mode = { mode: 'parked', person: false }
  expect(await again({})).toBe(1)
  at.mode = { mode: 'shadow', person: false }
  expect(await again({ code: 'mode-forbids' })).toBe(1)
  expect(await again({ code: 'other' })).toBe(2)
  expect(await stateOf(at, at.given.at(-1)!)).toBe('running')
  await done(at, at.given.at(-1)!)
})
