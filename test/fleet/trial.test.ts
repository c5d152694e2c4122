/** What a probe proves for those who wait for its cell. */
import { expect, test } from 'vitest'
import type { FakeCell } from './cells.ts'
import { agentType, openWorld, type World } from './world.ts'

const states = (world: World): Record<string, number> => ({ ...world.fleet.summary().byState })

const cellInQuarantine = async (): Promise<World> => {
  const world = await openWorld({
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 1_000, capMs: 1_000 } }),
    ],
  })
  await world.clock.advance(1_000)
  world.cells.startMs = 6_000
  for (let round = 0; round < 2; round += 1) {
    for (const cell of world.cells.living) cell.end()
    await world.clock.advance(3_000)
  }
  world.cells.startMs = 100
  expect(states(world)).toEqual({ quarantined: 5 })
  return world
}
/** The cell that is tried, with its probe in it. */
const tried = async (world: World): Promise<{ cell: FakeCell; probe: string }> => {
  await world.clock.advance(world.fleet.list()[0]!.exit!.at! - world.clock.wallMs() + 500)
  const cell = [...world.cells.living][0]!
  return { cell, probe: [...cell.seats.keys()][0]! }
}

test('a cell that was up and did nothing lets the others go; dying of its first work it is quarantined at once', async () => {
  const world = await cellInQuarantine()
  const { cell } = await tried(world)
  await world.clock.advance(30_000)
  expect(states(world)).toEqual({ idle: 5 })
  for (const attempt of ['att_1', 'att_2']) world.give(attempt)
  cell.end()
  await world.clock.settle()
  expect(states(world)).toEqual({ quarantined: 5 })
  // With work done it is treated like any other.
  const again = await tried(world)
  await world.clock.advance(30_000)
  const worker = world.give('att_3')!
  await again.cell.finish(worker)
  again.cell.end()
  await world.clock.advance(3_000)
  expect(states(world)).toEqual({ idle: 5 })
})

test('a cell in which nobody is left proves nothing: the next one is tried in it', async () => {
  const world = await cellInQuarantine()
  const { cell, probe } = await tried(world)
  for (let round = 0; round < 2; round += 1) {
    await cell.say('agent.broken', { agent: probe, error: { name: 'Error', message: 'no' } })
    await world.clock.advance(500)
  }
  expect(world.state(probe)).toBe('quarantined')
  await world.clock.advance(9_000)
  expect(world.record.eventsOf('agent.released')).toEqual([])
  expect(world.record.eventsOf('agent.probed').length).toBe(2)
  expect(states(world)).toEqual({ quarantined: 4, idle: 1 })
  await world.clock.advance(11_000)
  expect(cell.ended).toBe(false)
  expect(world.record.eventsOf('agent.released')).toMatchObject([{ facts: { by: 'probe' } }])
})
