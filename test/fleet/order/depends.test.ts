/** Types that depend on others, in virtual time: ready by evidence, late is told, and nobody falls with a dependency. */
import { expect, test } from 'vitest'
import type { AgentType } from '../../../src/model/model.ts'
import { agentType, openWorld, type World } from '../world.ts'

const pool = (name: string, change: Partial<AgentType> = {}): AgentType =>
  agentType({ name, count: 4, perCell: 2, heartbeatMs: 5_000, startWithinMs: 10_000, ...change })

/** `worker` on `store`, `front` on `worker`. */
const tower = (): Promise<World> =>
  openWorld({
    types: [
      pool('front', { dependsOn: ['worker'], count: 2 }),
      pool('worker', { dependsOn: ['store'] }),
      pool('store'),
    ],
  })
const typesOf = (cells: World['cells']['all']): string[] =>
  cells.flatMap(({ seats }) => [...seats.keys()].slice(0, 1).map((agent) => agent.split('/')[0]!))
const startedTypes = (world: World): string[] => [...new Set(typesOf(world.cells.all))]

test('A type starts when those it depends on are ready, and says meanwhile for whom it waits', async () => {
  const world = await tower()
  await world.clock.advance(50)
  expect(startedTypes(world)).toEqual(['store'])
  expect(world.fleet.view(world.ref('worker/0001'))).toMatchObject({
    state: 'starting',
    reason: 'waits for store (0 of 4 ready)',
    exit: { kind: 'event', what: 'it waits for store (0 of 4 ready)' },
  })
  await world.clock.advance(5_000)
  expect(startedTypes(world)).toEqual(['store', 'worker', 'front'])
  expect(world.fleet.summary().byState).toEqual({ idle: 10 })
  expect(world.record.eventsOf('start.open').map(({ subject }) => subject)).toEqual(['worker', 'front'])
})

test('Not the time that passes, but its evidence opens the way; late is told once, and a person may go first', async () => {
  const world = await tower()
  // One agent of the store never shows up: nothing stands in its cell.
  await world.clock.advance(20)
  for (const cell of world.cells.all) cell.hidden.add('store/0003')
  await world.clock.advance(15_000)
  expect(startedTypes(world)).toEqual(['store'])
  expect(world.record.eventsOf('start.waits')).toEqual([])
  await world.clock.advance(40_000)
  for (const cell of world.cells.living) cell.hidden.add('store/0003')
  expect(startedTypes(world)).toEqual(['store'])
  expect(
    world.record
      .eventsOf('start.waits')
      .map(({ subject }) => subject)
      .toSorted(),
  ).toEqual(['front', 'worker'])
  expect(world.fleet.summary().waiting).toMatchObject([
    { type: 'front', late: true, why: expect.stringContaining('worker (0 of 4 ready)') },
    { type: 'worker', late: true, why: expect.stringContaining('store (3 of 4 ready)') },
  ])
  await world.fleet.restart(
    [1, 2, 3, 4].map((number) => ({ type: 'worker', number })),
    'token:ann',
  )
  await world.clock.advance(5_000)
  expect(startedTypes(world)).toEqual(['store', 'worker', 'front'])
})

test('A dependency that dies later takes nobody with it, and who dies itself does not wait for it', async () => {
  const world = await tower()
  await world.clock.advance(5_000)
  world.cells.startMs = 60_000
  for (const cell of world.cells.living) if (cell.seats.has('store/0001') || cell.seats.has('store/0003')) cell.end()
  await world.clock.advance(2_000)
  expect(world.fleet.summary().byType).toMatchObject({ worker: { idle: 4 }, front: { idle: 2 } })
  world.cells.startMs = 100
  world.cells.of('worker/0001').end()
  await world.clock.advance(2_000)
  expect(world.fleet.summary().byType).toMatchObject({ worker: { idle: 4 }, store: { starting: 4 } })
})

test('At a stop those that depend on others go first', async () => {
  const world = await tower()
  await world.clock.advance(5_000)
  const ends: string[] = []
  for (const cell of world.cells.all) {
    const { gone } = cell.events
    cell.events = {
      ...cell.events,
      gone: (end) => {
        ends.push(...typesOf([cell]))
        gone(end)
      },
    }
  }
  const stopped = world.fleet.stop(10_000)
  await world.clock.advance(20_000)
  await stopped
  expect(ends).toEqual(['front', 'worker', 'worker', 'store', 'store'])
})
