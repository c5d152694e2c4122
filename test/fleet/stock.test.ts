/** When hosts are started ahead, by a clock that only moves when told. */
import { expect, test } from 'vitest'
import { FakeCells } from './cells.ts'
import { VirtualClock } from './clock.ts'
import { agentType, openWorld, type World } from './world.ts'

const open = (standby: number, change: { count?: number; failing?: FakeCells['failing'] } = {}): Promise<World> => {
  const clock = new VirtualClock()
  const cells = new FakeCells(clock, true)
  cells.failing = change.failing ?? null
  const type = agentType({ count: change.count ?? 10, cell: { kind: 'pool', orWeaker: false, standby } })
  return openWorld({ clock, cells, types: [type], startingAtOnce: 2 })
}
const up = (world: World, agents: number): boolean => world.fleet.summary().byState.idle === agents

test('Hosts are started ahead one at a time, and only when no cell waits or starts any more', async () => {
  const world = await open(2, { count: 60 })
  const { clock, cells } = world
  // Twelve cells, two at a time, half a second each: three seconds of starting.
  cells.startMs = 500
  while (!up(world, 60)) {
    await clock.advance(100)
    expect(cells.ahead.length === 0 || up(world, 60)).toBe(true)
  }
  expect(cells.mostStarting).toBe(2)
  cells.mostStarting = 0
  await clock.advance(10_000)
  expect(cells.ahead).toHaveLength(2)
  expect(cells.mostStarting).toBe(1)
  expect(world.fleet.summary()).toMatchObject({ cells: 12, standbys: { ready: 2, wanted: 2 } })
  expect(world.gate.size).toBe(12)
})

test('A lost cell whose delay is zero begins anew without a tick of the clock, in one commit', async () => {
  const world = await open(0)
  const { clock, cells, record } = world
  await clock.advance(200)
  const before = record.lists
  cells.of('settler/0001').end()
  await clock.settle()
  expect(world.state('settler/0001')).toBe('starting')
  const written = record.written.slice(before)
  expect(written[0]).toEqual(['cell.ended', 'agents.save', 'events.add'])
  expect(written.filter((kinds) => kinds.includes('agents.save'))).toHaveLength(1)
  expect(cells.all).toHaveLength(3)
  expect(cells.all.at(-1)!.plan.seats[0]).toMatchObject({ agent: 'settler/0001', epoch: 2 })
})

test('A lost cell is taken over by the host that stands by, without a tick of the clock', async () => {
  const world = await open(1)
  const { clock, cells } = world
  await clock.advance(2_000)
  const [ahead] = cells.ahead
  const plans = cells.all.length
  cells.of('settler/0001').end()
  await clock.settle()
  expect(cells.of('settler/0001')).toBe(ahead)
  expect(world.state('settler/0001')).toBe('idle')
  expect(world.gate.get(ahead!.id)).toHaveLength(5)
  expect(cells.all).toHaveLength(plans)
  await clock.advance(2_000)
  expect(cells.ahead).toHaveLength(2)
  expect(world.fleet.summary().standbys).toEqual({ ready: 1, wanted: 1 })
})

test('A cell that dies while its new host loads is a loss like any other, and is started again', async () => {
  const world = await open(1)
  const { clock, cells } = world
  await clock.advance(2_000)
  const [ahead] = cells.ahead
  ahead!.welcome = () => ahead!.end('start-failed', 'exit code 78')
  cells.of('settler/0001').end()
  await clock.settle()
  expect(world.state('settler/0001')).toBe('backoff')
  expect(world.fleet.summary()).toMatchObject({ cellsLost: 2, standbys: { ready: 0, wanted: 1 } })
  await clock.advance(5_000)
  expect(up(world, 10)).toBe(true)
})

test('A host that cannot be started ahead is tried again ever less often, and agents do not feel it', async () => {
  const world = await open(1, { failing: ({ seats }) => (seats.length === 0 ? 'no memory' : null) })
  const { clock, cells } = world
  let tries = 0
  const { failing } = cells
  cells.failing = (plan) => {
    if (plan.seats.length === 0) tries += 1
    return failing!(plan)
  }
  await clock.advance(600_000)
  expect(up(world, 10)).toBe(true)
  expect(tries).toBeGreaterThan(8)
  expect(tries).toBeLessThan(17)
  expect(world.fleet.summary()).toMatchObject({ cellsLost: 0, restarts: 0, standbys: { ready: 0, wanted: 1 } })
})

test('A newer sitter acts for this host: what stands by is ended with the cells', async () => {
  const world = await open(1)
  const { clock, cells, record } = world
  await clock.advance(2_000)
  expect(world.fleet.summary().standbys.ready).toBe(1)
  record.epoch = 2
  cells.of('settler/0001').end()
  await clock.advance(10)
  expect(world.deposed).toHaveLength(1)
  expect(cells.living.size).toBe(0)
})
