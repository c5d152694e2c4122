/** Listen first: an opened fleet answers, and nothing of it runs before it is started. */
import { expect, test } from 'vitest'
import { openWorld } from './world.ts'

test('Before it is started a fleet answers and starts nothing; what is ordered waits for the start', async () => {
  const world = await openWorld({ held: true })
  await world.clock.advance(60_000)
  expect([world.cells.all.length, world.fleet.summary().agents, world.give('att_1')]).toEqual([0, 10, undefined])
  expect(world.record.eventsOf('cell.started')).toEqual([])
  const ordered = { done: false }
  const stopping = world.fleet
    .order('stop', [world.ref('settler/0003')], { actor: 'ada', reason: 'before anything' })
    .then(() => {
      ordered.done = true
    })
  await world.clock.advance(10_000)
  expect(ordered.done).toBe(false)
  await world.fleet.start()
  await world.clock.advance(2_000)
  await stopping
  expect(world.fleet.summary().byState).toEqual({ idle: 9, stopped: 1 })
})

test('One that is stopped before it was started never starts anything, and lets nobody wait', async () => {
  const world = await openWorld({ held: true })
  const ordered = world.fleet.restart([world.ref('settler/0001')], 'ada')
  const refused = expect(ordered).rejects.toMatchObject({ code: 'conflict' })
  await world.fleet.stop(1_000)
  await refused
  await world.fleet.start()
  await world.clock.advance(60_000)
  expect(world.cells.all).toEqual([])
})
