/** Groups with a restart strategy, in virtual time: who falls with whom, in which order, and when a group gives up. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fallsWith, frontOf, type Mate } from '../../../src/fleet/order/decide.ts'
import type { AgentGroup, AgentType } from '../../../src/model/model.ts'
import { agentType, openWorld, type World, type WorldAsk } from '../world.ts'

/** Programs: each agent has a process of its own, whose end can be seen. */
const program = (name: string, change: Partial<AgentType> = {}): AgentType =>
  agentType({
    name,
    count: 1,
    perCell: 1,
    run: { command: ['/bin/agent'], directory: '/' },
    restart: { type: 'permanent', max: 5, withinMs: 600_000, baseMs: 1_000, capMs: 2_000 },
    ...change,
  })

const group = (strategy: AgentGroup['strategy'], change: Partial<AgentGroup> = {}): AgentGroup => ({
  name: 'chain',
  places: ['a', 'b', 'c'],
  strategy,
  max: 5,
  withinMs: 600_000,
  ...change,
})

const chain = async (
  strategy: AgentGroup['strategy'],
  change: Partial<AgentGroup> = {},
  ask: WorldAsk = {},
): Promise<World> => {
  const types = ask.types ?? [program('a'), program('b'), program('c'), program('z')]
  const world = await openWorld({ ...ask, types, groups: [group(strategy, change)] })
  await world.clock.advance(3_000)
  return world
}

const epochs = (world: World): Record<string, number> =>
  Object.fromEntries(world.fleet.list().map(({ id, epoch }) => [id.slice(0, 1), epoch]))
const state = (world: World, name: string): string => world.state(`${name}/0001`)
const started = (world: World): string[] => world.cells.all.map(({ plan }) => plan.seats[0]!.agent.slice(0, 1))
/** The order in which processes have ended, of those that did. */
const watchEnds = (world: World): string[] => {
  const ends: string[] = []
  for (const cell of world.cells.all) {
    const { gone } = cell.events
    cell.events = {
      ...cell.events,
      gone: (end) => {
        ends.push(cell.plan.seats[0]!.agent.slice(0, 1))
        gone(end)
      },
    }
  }
  return ends
}
const lose = (world: World, name: string): void => world.cells.of(`${name}/0001`).end('exit', 'exit code 1')

test('A group starts in its order, each place when the one before is ready; others do not wait', async () => {
  const world = await openWorld({
    types: [program('a'), program('b'), program('c'), program('z')],
    groups: [group('rest_for_one', { places: ['c', 'b', 'a'] })],
  })
  await world.clock.advance(50)
  expect(started(world).toSorted()).toEqual(['c', 'z'])
  expect(world.fleet.view(world.ref('a/0001'))).toMatchObject({
    state: 'starting',
    reason: expect.stringContaining('c/0001 is starting'),
    exit: { kind: 'event' },
  })
  await world.clock.advance(3_000)
  expect(started(world).filter((name) => name !== 'z')).toEqual(['c', 'b', 'a'])
  expect(world.fleet.summary().byState).toEqual({ idle: 4 })
})

test('Rest for one: those after it are stopped, the last one first, and start again in order behind it', async () => {
  const world = await chain('rest_for_one')
  const ends = watchEnds(world)
  const before = world.cells.all.length
  lose(world, 'b')
  await world.clock.advance(0)
  expect(state(world, 'a')).toBe('idle')
  await world.clock.advance(4_000)
  expect(ends).toEqual(['b', 'c'])
  expect(started(world).slice(before)).toEqual(['b', 'c'])
  expect(epochs(world)).toEqual({ a: 1, b: 2, c: 2, z: 1 })
  // Who was stopped with it is charged with nothing.
  expect(JSON.parse(world.record.agents.get('c/0001')!.policy)).toMatchObject({ policy: { losses: [], inARow: 0 } })
  expect(world.fleet.view(world.ref('c/0001'))!.restarts).toBe(0)
})

test('One for all: all are stopped in reverse, none starts before the delay of the lost one, then in order', async () => {
  const world = await chain('one_for_all')
  const ends = watchEnds(world)
  const before = world.cells.all.length
  // At work it is the one to blame, and has a delay.
  world.give('att_1', 'b')
  lose(world, 'b')
  await world.clock.advance(500)
  expect(ends).toEqual(['b', 'c', 'a'])
  expect(world.cells.all.length).toBe(before)
  expect(state(world, 'a')).toBe('starting')
  await world.clock.advance(4_000)
  expect(started(world).slice(before)).toEqual(['a', 'b', 'c'])
  expect(epochs(world)).toEqual({ a: 2, b: 2, c: 2, z: 1 })
})

test('One for one: nobody else is touched', async () => {
  const world = await chain('one_for_one')
  lose(world, 'a')
  await world.clock.advance(4_000)
  expect(epochs(world)).toEqual({ a: 2, b: 1, c: 1, z: 1 })
})

test('What a stopped sibling had in hand is lost without cost', async () => {
  const world = await chain('one_for_all')
  expect(world.give('att_1', 'c')).toBe('c/0001')
  lose(world, 'a')
  await world.clock.advance(100)
  expect(world.lost).toMatchObject([{ attempt: 'att_1', agent: 'c/0001', collateral: true }])
})

test('A temporary sibling that is stopped stays so; one that is lost takes nobody with it', async () => {
  const temporary = program('c', { restart: { ...program('c').restart, type: 'temporary' } })
  const world = await chain('one_for_all', {}, { types: [program('a'), program('b'), temporary] })
  lose(world, 'a')
  await world.clock.advance(5_000)
  expect([state(world, 'a'), state(world, 'b'), state(world, 'c')]).toEqual(['idle', 'idle', 'stopped'])

  const other = await chain('one_for_all', {}, { types: [program('a'), program('b'), temporary] })
  lose(other, 'c')
  await other.clock.advance(5_000)
  expect([state(other, 'a'), state(other, 'b'), state(other, 'c')]).toEqual(['idle', 'idle', 'stopped'])
  expect(epochs(other)).toEqual({ a: 1, b: 1, c: 1 })
})

test('To transient a clean end is none: it stays stopped, and nobody falls', async () => {
  const transient = program('b', { restart: { ...program('b').restart, type: 'transient' } })
  const world = await chain('one_for_all', {}, { types: [program('a'), transient, program('c')] })
  world.cells.of('b/0001').events.gone({ cause: 'exit', detail: 'exit code 0', end: { code: 0, signal: null } })
  await world.clock.advance(5_000)
  expect(state(world, 'b')).toBe('stopped')
  expect(epochs(world)).toEqual({ a: 1, b: 1, c: 1 })
  expect(world.record.eventsOf('agent.ended')).toMatchObject([{ subject: 'b/0001' }])
})

test('More than its losses in its window: the group is quarantined whole with one incident, others work on', async () => {
  const world = await chain('rest_for_one', { max: 2, withinMs: 60_000 })
  for (const name of ['a', 'c', 'b']) {
    lose(world, name)
    await world.clock.advance(6_000)
  }
  expect([state(world, 'a'), state(world, 'b'), state(world, 'c'), state(world, 'z')]).toEqual([
    'quarantined',
    'quarantined',
    'quarantined',
    'idle',
  ])
  expect(world.record.eventsOf('group.quarantined')).toMatchObject([
    { level: 'error', subject: 'group chain', facts: { lost: 'b/0001', count: 3, max: 2 } },
  ])
  expect(world.record.eventsOf('agent.quarantined')).toEqual([])
  for (const agent of world.fleet.list().filter(({ type }) => type !== 'z'))
    expect(agent.exit).toMatchObject({ kind: 'time', at: expect.any(Number) })

  // Its probe comes by itself, in order.
  const before = world.cells.all.length
  await world.clock.advance(12 * 60_000)
  expect(started(world).slice(before)).toEqual(['a', 'b', 'c'])
  expect(world.fleet.summary().byState).toEqual({ idle: 4 })
})

test('Losses further apart than the window quarantine nobody', async () => {
  const world = await chain('one_for_all', { max: 1, withinMs: 20_000 })
  for (let round = 0; round < 5; round += 1) {
    lose(world, 'a')
    await world.clock.advance(40_000)
  }
  expect(world.fleet.summary().byState).toEqual({ idle: 4 })
})

test('A person who releases one of a quarantined group releases the group', async () => {
  const world = await chain('one_for_all', { max: 0 })
  lose(world, 'c')
  await world.clock.advance(2_000)
  expect(state(world, 'a')).toBe('quarantined')
  await world.fleet.unquarantine([world.ref('b/0001')], 'token:ann')
  await world.clock.advance(5_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 4 })
})

test('A person who restarts one of a quarantined group brings all of it back, in its order, and begins no type anew', async () => {
  // Hosts, all of whose agents are in the group: what is meant for one is not meant for its type.
  const type = agentType({
    name: 'a',
    count: 3,
    perCell: 1,
    restart: { type: 'permanent', max: 5, withinMs: 600_000, baseMs: 1_000, capMs: 2_000 },
  })
  const places = ['a/0001', 'a/0002', 'a/0003']
  const world = await chain('one_for_all', { max: 1, places }, { types: [type] })
  for (let loss = 0; loss < 3 && world.state('a/0001') !== 'quarantined'; loss += 1) {
    world.cells.of('a/0002').end('exit', 'exit code 1')
    await world.clock.advance(8_000)
  }
  expect(world.fleet.summary().byState).toEqual({ quarantined: 3 })
  const before = world.cells.all.length
  await world.fleet.restart([world.ref('a/0001')], 'token:ann')
  await world.clock.advance(10_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 3 })
  expect(world.cells.all.slice(before).map(({ plan }) => plan.seats[0]!.agent)).toEqual(places)
  expect(world.record.eventsOf('agent.overdue')).toEqual([])
})

test('The next sitter finds the group in quarantine, and when it is tried again', async () => {
  const world = await chain('one_for_all', { max: 0 })
  lose(world, 'c')
  await world.clock.advance(2_000)
  const { clock, record } = world
  for (const cell of world.cells.living) cell.end()
  await clock.advance(0)
  record.epoch = 2
  const next = await chain('one_for_all', { max: 0 }, { clock, record, epoch: 2 })
  expect([state(next, 'a'), state(next, 'c'), state(next, 'z')]).toEqual(['quarantined', 'quarantined', 'idle'])
  expect(next.fleet.view(next.ref('a/0001'))!.exit).toMatchObject({ kind: 'time' })
  await clock.advance(12 * 60_000)
  expect(next.fleet.summary().byState).toEqual({ idle: 4 })
})

test('Agents of a pool fall and rise in their living cell, and a type named whole shares a place', async () => {
  const world = await openWorld({
    types: [agentType({ name: 'a', count: 3, perCell: 10 }), agentType({ name: 'b', count: 4, perCell: 10 })],
    groups: [group('rest_for_one', { places: ['a/0002', 'b'] })],
  })
  await world.clock.advance(3_000)
  const cells = world.cells.all.length
  const agent = 'a/0002'
  await world.cells.of(agent).say('agent.broken', { agent, error: { name: 'Error', message: 'no' } })
  await world.clock.advance(6_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 7 })
  expect(world.fleet.list().map(({ id, epoch }) => `${id} ${epoch}`)).toEqual([
    'a/0001 1',
    'a/0002 2',
    'a/0003 1',
    'b/0001 2',
    'b/0002 2',
    'b/0003 2',
    'b/0004 2',
  ])
  expect(world.cells.all.length).toBeLessThanOrEqual(cells + 1)
})

test('Whatever states its agents are in, the front of a group lies where the first one is that does not stand', () => {
  const states = ['starting', 'idle', 'busy', 'backoff', 'quarantined', 'stopped', 'paused'] as const
  const mate = fc.record({ place: fc.nat(9), state: fc.constantFrom(...states), wanted: fc.boolean() })
  fc.assert(
    fc.property(fc.array(mate, { maxLength: 30 }), (mates: Mate[]) => {
      const fallen = mates.filter(
        ({ state: one, wanted }) => wanted && ['starting', 'backoff', 'quarantined'].includes(one),
      )
      expect(frontOf('one_for_one', mates)).toBe(Infinity)
      expect(frontOf('rest_for_one', mates)).toBe(Math.min(Infinity, ...fallen.map(({ place }) => place)))
      const waits = fallen.some(({ state: one }) => one !== 'starting')
      expect(frontOf('one_for_all', mates) === -1).toBe(waits)
      for (const { place } of mates) expect(fallsWith('rest_for_one', place, 4)).toBe(place > 4)
    }),
  )
})

test('A type that begins anew while its group is in quarantine starts when that is over', async () => {
  const types = [program('a'), program('z')]
  const world = await chain('one_for_all', { places: ['a'], max: 0 }, { types })
  lose(world, 'a')
  await world.clock.advance(1_000)
  expect(state(world, 'a')).toBe('quarantined')
  await world.fleet.roll('a', null, 'token:ann')
  const untilMs = 60 * 60_000
  await world.clock.advance(untilMs)
  expect(state(world, 'a')).toBe('idle')
})
