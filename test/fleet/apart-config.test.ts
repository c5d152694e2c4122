/** Another configuration, and people's orders, while some agents live apart from their cell-mates. */
import { expect, test } from 'vitest'
import type { AgentType } from '../../src/model/model.ts'
import { agentType, openWorld, type World } from './world.ts'

const settings = (change: Partial<AgentType> = {}): AgentType =>
  agentType({
    count: 20,
    perCell: 20,
    restart: { type: 'permanent', max: 3, withinMs: 600_000, baseMs: 200, capMs: 10_000 },
    cell: { kind: 'pool', orWeaker: false, standby: 0 },
    ...change,
  })

/** Twenty agents of which nobody knows who killed their cell twice: in ten cells, two in each. */
const parted = async (count = 20): Promise<World> => {
  const world = await openWorld({ types: [settings({ count, perCell: count })], oomKills: 0 })
  await world.clock.advance(500)
  for (let round = 0; round < 2; round += 1) {
    world.cells.of('settler/0001').end('exit', 'exit code 3')
    await world.clock.advance(1_000)
  }
  expect(world.cells.living.size).toBe(Math.min(10, count))
  expect(world.fleet.summary().apart).toBe(count)
  return world
}
const take = (world: World, change: Partial<AgentType>): Promise<void> =>
  world.fleet.reconfigure({ settler: settings(change) }, 'ada')
const sizes = (world: World): number[] =>
  [...world.cells.living].map(({ seats }) => seats.size).toSorted((a, b) => a - b)
const names = (world: World): string[] => world.fleet.list().map(({ id }) => id)

test('Settings that hold at once reach those that live apart, who go home under them', async () => {
  const world = await parted()
  await take(world, { heartbeatMs: 2_000 })
  await world.clock.advance(500)
  expect(world.cells.living.size).toBe(10)
  await world.clock.advance(60_000)
  expect(sizes(world)).toEqual([20])
  expect(world.fleet.summary()).toMatchObject({ apart: 0, byState: { idle: 20 } })
})

test('Another program begins anew with everybody together: who was apart for the old one is not for the new one', async () => {
  const world = await parted()
  await take(world, { run: { module: '/agents/other.ts' } })
  await world.clock.advance(120_000)
  expect(world.fleet.summary()).toMatchObject({ apart: 0, byState: { idle: 20 } })
  expect([...world.cells.living].every(({ plan }) => plan.run.module === '/agents/other.ts')).toBe(true)
  expect(names(world).map((id) => world.fleet.view(world.ref(id))!.apart)).toEqual(Array(20).fill(undefined))
  expect(world.record.eventsOf('config.taken')).toMatchObject([{ facts: { count: 20 } }])
})

test('An empty home is no reason to begin anew for ever', async () => {
  const world = await parted(2)
  await take(world, { count: 2, perCell: 2, run: { module: '/agents/other.ts' } })
  await world.clock.advance(60_000)
  expect(world.fleet.summary()).toMatchObject({ apart: 0, byState: { idle: 2 } })
  expect([...world.cells.living].every(({ plan }) => plan.run.module === '/agents/other.ts')).toBe(true)
})

test('Fewer agents: those that live apart leave too, their cells end, and the rest comes together', async () => {
  const world = await parted()
  await take(world, { count: 7 })
  await world.clock.advance(90_000)
  expect(names(world).length).toBe(7)
  expect(sizes(world)).toEqual([7])
  expect(world.fleet.summary()).toMatchObject({ apart: 0, byState: { idle: 7 } })
})

test('None of them wanted any more: neither a cell nor a home is left', async () => {
  const world = await parted()
  await world.fleet.reconfigure({}, 'ada')
  await world.clock.advance(90_000)
  expect(names(world)).toEqual([])
  expect(world.cells.living.size).toBe(0)
})

test('More agents: the new ones take no place that belongs to somebody who lives apart', async () => {
  const world = await parted()
  await take(world, { count: 25 })
  await world.clock.advance(90_000)
  expect(sizes(world)).toEqual([5, 20])
  expect(world.fleet.summary()).toMatchObject({ apart: 0, byState: { idle: 25 } })
})

test('Who is paused or stopped while apart stays as ordered, and the others go home', async () => {
  const world = await parted()
  const by = { actor: 'ada', reason: 'to look at it' }
  await world.fleet.order('pause', [world.ref('settler/0003')], by)
  await world.fleet.order('stop', [world.ref('settler/0004')], by)
  await world.clock.advance(60_000)
  expect(world.fleet.summary()).toMatchObject({ apart: 1, byState: { idle: 18, paused: 1, stopped: 1 } })
  await world.fleet.order('resume', [world.ref('settler/0003')], by)
  await world.fleet.order('start', [world.ref('settler/0004')], by)
  await world.clock.advance(60_000)
  expect(world.fleet.summary()).toMatchObject({ apart: 0, byState: { idle: 20 } })
  expect(sizes(world)).toEqual([20])
})

test('A paused agent whose host is recycled stays paused, and gets its seat when it goes on', async () => {
  const world = await openWorld({ types: [settings({ count: 4, perCell: 4 })], oomKills: 0 })
  await world.clock.advance(500)
  await world.fleet.order('pause', [world.ref('settler/0002')], { actor: 'ada', reason: 'to look at it' })
  for (const cell of world.cells.living) world.resident.set(cell.identity.pid, 400e6)
  await world.clock.advance(30_000)
  expect(world.record.eventsOf('cell.recycled').length).toBe(1)
  expect(world.fleet.summary().byState).toEqual({ idle: 3, paused: 1 })
  await world.fleet.order('resume', [world.ref('settler/0002')], { actor: 'ada', reason: 'seen' })
  await world.clock.advance(1_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 4 })
})
