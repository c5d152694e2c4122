/** What the fleet counts: why restarts were, how long a silence lasted until it was found, and the way back. */
import { expect, test } from 'vitest'
import { agentType, openWorld, type World } from './world.ts'

const ready = async (ask: Parameters<typeof openWorld>[0] = {}): Promise<World> => {
  const world = await openWorld(ask)
  await world.clock.advance(1_000)
  return world
}
const causes = (world: World): Record<string, number> =>
  Object.fromEntries(world.fleet.figures().restarts.map(({ cause, count }) => [cause, count]))

test('a restart is counted by why its agent was lost: a killed cell, a hung one, a broken agent', async () => {
  const world = await ready()
  expect(world.fleet.figures()).toMatchObject({ restarts: [], detection: { count: 0 }, recovery: { count: 0 } })
  const [first] = [...world.cells.living]
  first!.end()
  await world.clock.advance(1_000)
  expect(causes(world)).toEqual({ signal: 5 })
  expect(world.fleet.figures().recovery.count).toBe(1)

  const agent = world.give('att_1')!
  await world.cells.of(agent).say('agent.broken', { agent, error: { name: 'TypeError', message: 'x' } })
  await world.clock.advance(5_000)
  expect(causes(world)).toEqual({ signal: 5, broken: 1 })
  // The cell went on: nothing had to come back.
  expect(world.fleet.figures().recovery.count).toBe(1)

  const [hung] = [...world.cells.living]
  hung!.hung = true
  await world.clock.advance(30_000)
  expect(causes(world)).toEqual({ signal: 5, broken: 1, silent: 5 })
  const { detection, recovery } = world.fleet.figures()
  expect(detection.count).toBe(1)
  // Two beats of 5 s after its last word, three at the most.
  expect(detection.sumSeconds).toBeGreaterThanOrEqual(9)
  expect(detection.sumSeconds).toBeLessThanOrEqual(15)
  expect(detection.counts.reduce((sum, count) => sum + count, 0)).toBe(1)
  expect(recovery.count).toBe(2)
})

test("a person's release is told apart, and no count falls when the agents leave", async () => {
  const restart = { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 100, capMs: 1_000 } as const
  const world = await ready({ types: [agentType({ restart })] })
  const broken = 'settler/0003'
  for (let round = 0; round < 2; round += 1) {
    await world.cells.of(broken).say('agent.broken', { agent: broken, error: { name: 'Error', message: 'again' } })
    await world.clock.advance(4_000)
  }
  expect(world.state(broken)).toBe('quarantined')
  await world.fleet.unquarantine([world.ref(broken)], 'operator:ann')
  await world.clock.advance(1_000)
  expect(causes(world)).toEqual({ broken: 1, person: 1 })
  await world.fleet.reconfigure({ settler: agentType({ restart, count: 1 }) }, 'operator:ann')
  await world.clock.advance(5_000)
  expect(world.fleet.summary().agents).toBe(1)
  expect(causes(world)).toEqual({ broken: 1, person: 1 })
})
