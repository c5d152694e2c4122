/** Every wait has a second way out: with the timers of the first one gone, everybody comes back all the same. */
import { afterEach, expect, test, vi } from 'vitest'
import { Agenda } from '../../src/fleet/agenda.ts'
import { Governor } from '../../src/fleet/governor/governor.ts'
import { agentType, openWorld, type World } from './world.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Such timers of the fleet never fire. */
const loseTimers = (isLost: (delayMs: number) => boolean): void => {
  const after = Agenda.prototype.after
  vi.spyOn(Agenda.prototype, 'after').mockImplementation(function lossy(this: Agenda, delayMs, fire) {
    return isLost(delayMs) ? () => {} : after.call(this, delayMs, fire)
  })
}
const longOnes = (delayMs: number): boolean => delayMs > 300_000
const states = (world: World): Record<string, number> => ({ ...world.fleet.summary().byState })
const restart = { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 1_000, capMs: 1_000 } as const

const broken = async (world: World, agent: string): Promise<void> => {
  for (let round = 0; round < 2; round += 1) {
    await world.cells.of(agent).say('agent.broken', { agent, error: { name: 'Error', message: 'no' } })
    await world.clock.advance(3_000)
  }
}

test('An agent whose probe nobody remembers is tried within two minutes of its time, and people are told', async () => {
  loseTimers(longOnes)
  const world = await openWorld({ types: [agentType({ restart })] })
  await world.clock.advance(1_000)
  await broken(world, 'settler/0003')
  expect(states(world)).toEqual({ idle: 9, quarantined: 1 })
  const { at } = world.fleet.view(world.ref('settler/0003'))!.exit!
  await world.clock.advance(at! - world.clock.wallMs() + 29_000)
  expect(states(world)).toEqual({ idle: 9, quarantined: 1 })
  await world.clock.advance(122_000)
  expect(states(world)).toEqual({ idle: 10 })
  expect(world.record.eventsOf('agent.overdue')).toMatchObject([
    { level: 'error', subject: 'settler/0003', facts: { count: 1 } },
  ])
})

/** A cell that is quarantined with its five agents. */
const cellInQuarantine = async (): Promise<World> => {
  const world = await openWorld({ types: [agentType({ count: 5, restart })] })
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

test('So is a cell with all who wait for it', async () => {
  loseTimers(longOnes)
  const world = await cellInQuarantine()
  await world.clock.advance(15 * 60_000)
  expect(states(world)).toEqual({ idle: 5 })
  expect(world.record.eventsOf('agent.overdue')).toMatchObject([{ facts: { agents: 'settler/0001-0005', count: 5 } }])
})

test('A trial that nobody ends is ended', async () => {
  const world = await cellInQuarantine()
  // Ten times its last delay.
  loseTimers((delayMs) => delayMs === 10_000)
  await world.clock.advance(12 * 60_000)
  expect(states(world)).toEqual({ idle: 1, quarantined: 4 })
  await world.clock.advance(2 * 60_000)
  expect(states(world)).toEqual({ idle: 5 })
  expect(world.record.eventsOf('agent.overdue')).toMatchObject([{ facts: { count: 4 } }])
})

test('A configured group comes back too', async () => {
  loseTimers(longOnes)
  const types = ['a', 'b'].map((name) =>
    agentType({ name, count: 1, run: { command: ['./agent'], directory: '/' }, restart }),
  )
  const group = { name: 'pair', strategy: 'one_for_all', places: ['a', 'b'], max: 0, withinMs: 600_000 } as const
  const world = await openWorld({ types, groups: [group] })
  await world.clock.advance(1_000)
  world.cells.of('a/0001').end('exit', 'exit code 1')
  await world.clock.advance(8_000)
  expect(states(world)).toEqual({ quarantined: 2 })
  await world.clock.advance(15 * 60_000)
  expect(states(world)).toEqual({ idle: 2 })
  expect(world.record.eventsOf('agent.overdue')).toMatchObject([{ facts: { waited: ['group:pair'] } }])
})

test('Restarts that are held go on when nobody looks at them any more', async () => {
  const world = await openWorld({ types: [agentType({ count: 40, perCell: 1 })], startingAtOnce: 40 })
  await world.clock.advance(2_000)
  loseTimers((delayMs) => delayMs === 250)
  for (let round = 0; round < 2; round += 1) {
    for (const cell of world.cells.living) cell.end('exit', 'exit code 1: cannot reach the model')
    await world.clock.advance(3_000)
  }
  expect(world.fleet.summary().held).toMatchObject([{ trying: [] }])
  expect(states(world)['backoff']).toBeGreaterThan(0)
  vi.restoreAllMocks()
  await world.clock.advance(10 * 60_000)
  expect(states(world)).toEqual({ idle: 40 })
  expect(world.record.eventsOf('agent.overdue').length).toBe(1)
})

test.each([
  ['a cell that lives', 5],
  ['a cell of its own', 1],
])('Who is to be started and is forgotten on the way into %s gets there', async (_, perCell) => {
  const { admit } = Governor.prototype
  vi.spyOn(Governor.prototype, 'admit').mockImplementation(function forgetful(this: Governor, key, restart) {
    return restart.who !== 'settler/0003' && admit.call(this, key, restart)
  })
  const world = await openWorld({ types: [agentType({ count: 5, perCell })] })
  await world.clock.advance(5_000)
  expect(states(world)).toEqual({ idle: 4, starting: 1 })
  vi.restoreAllMocks()
  await world.clock.advance(122_000)
  expect(states(world)).toEqual({ idle: 5 })
  expect(world.record.eventsOf('agent.overdue')).toMatchObject([{ subject: 'settler/0003' }])
})

test('Nobody who waits rightly is touched: a day of losses has no such event', async () => {
  const world = await openWorld({ types: [agentType({ restart })] })
  await world.clock.advance(1_000)
  for (let hour = 0; hour < 24; hour += 1) {
    for (const agent of ['settler/0001', 'settler/0007']) if (world.state(agent) === 'idle') await broken(world, agent)
    await world.clock.advance(3_600_000)
  }
  expect(world.record.eventsOf('agent.overdue')).toEqual([])
})
