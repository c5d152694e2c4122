/** Rolling restarts and old age, in virtual time: never more away than asked, on only by evidence, nobody's work lost. */
import { expect, test } from 'vitest'
import { oldAge } from '../../../src/fleet/recycle.ts'
import { readSurge, surgeOf } from '../../../src/fleet/rolling/state.ts'
import type { AgentType } from '../../../src/model/model.ts'
import type { FakeCell } from '../cells.ts'
import { agentType, openWorld, type World } from '../world.ts'

const program = (change: Partial<AgentType> = {}): AgentType =>
  agentType({ count: 10, perCell: 1, run: { command: ['/bin/agent'], directory: '/' }, ...change })

const ready = async (type: AgentType, record?: World['record'], clock?: World['clock']): Promise<World> => {
  const world = await openWorld({
    types: [type],
    ...(record && { record, epoch: record.epoch }),
    ...(clock && { clock }),
  })
  await world.clock.advance(5_000)
  return world
}
const idle = (world: World): number =>
  (world.fleet.summary().byState.idle ?? 0) + (world.fleet.summary().byState.busy ?? 0)
const epochs = (world: World): Set<number> => new Set(world.fleet.list().map(({ epoch }) => epoch))

/** The fewest that worked at any moment, looked at every 50 ms. */
const fewest = async (world: World, forMs: number): Promise<number> => {
  let least = idle(world)
  for (let passedMs = 0; passedMs < forMs; passedMs += 50) {
    await world.clock.advance(50)
    least = Math.min(least, idle(world))
  }
  return least
}

test('A surge is a number of agents or a share of them, and one at least', () => {
  expect(readSurge('3')).toEqual({ agents: 3 })
  expect(readSurge('25%')).toEqual({ share: 0.25 })
  for (const wrong of ['0', '-1', '101%', '', 'x', '1.5', '0%']) expect(readSurge(wrong)).toBeUndefined()
  expect(surgeOf(null, 10)).toBe(3)
  expect(surgeOf({ share: 0.01 }, 10)).toBe(1)
  expect(surgeOf({ agents: 4 }, 10)).toBe(4)
})

test('Programs begin anew so many at a time as was asked, and the next when those before have held', async () => {
  const world = await ready(program())
  await world.fleet.roll('settler', { agents: 2 }, 'token:ann')
  await world.clock.advance(300)
  expect(world.fleet.summary().rolling).toMatchObject([
    { type: 'settler', total: 10, done: 0, underWay: 2, held: null },
  ])
  expect(await fewest(world, 25_000)).toBe(8)
  expect(epochs(world)).toEqual(new Set([2]))
  expect(world.fleet.summary().rolling).toBeUndefined()
  expect(world.record.notes.has('rolling:settler')).toBe(false)
  expect(world.lost).toEqual([])
})

test('Who is at work finishes it first', async () => {
  const world = await ready(program({ count: 2 }))
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  await world.fleet.roll('settler', { agents: 2 }, 'token:ann')
  await world.clock.advance(5_000)
  expect(cell.ended).toBe(false)
  await cell.finish(agent)
  await world.clock.advance(10_000)
  expect(cell.ended).toBe(true)
  expect(world.lost).toEqual([])
  expect(epochs(world)).toEqual(new Set([2]))
})

test('When those that began anew do not work it stops there with an incident, and goes on when they do', async () => {
  const world = await ready(program({ startWithinMs: 2_000 }))
  const dies = (plan: FakeCell['plan']): null => {
    queueMicrotask(() => {
      world.clock.timer(50, () => world.cells.all.findLast((cell) => cell.plan === plan)?.end('exit', 'exit code 1'))
    })
    return null
  }
  world.cells.failing = dies
  await world.fleet.roll('settler', { agents: 2 }, 'token:ann')
  expect(await fewest(world, 60_000)).toBe(8)
  const [rolling] = world.fleet.summary().rolling!
  expect(rolling).toMatchObject({ done: 0, held: expect.stringContaining('do not work since they began anew') })
  expect(world.record.eventsOf('config.waits').length).toBe(1)
  world.cells.failing = () => null
  await world.clock.advance(20 * 60_000)
  expect(idle(world)).toBe(10)
  expect(world.fleet.summary().rolling).toBeUndefined()
})

test('A sitter that dies in the midst of it has restarted all: the next one sees that they work, and ends it', async () => {
  const world = await ready(program())
  await world.fleet.roll('settler', { agents: 2 }, 'token:ann')
  await world.clock.advance(1_500)
  expect(world.record.notes.has('rolling:settler')).toBe(true)
  const { record, clock } = world
  for (const cell of world.cells.living) cell.end()
  record.epoch = 2
  await clock.advance(100)
  const next = await openWorld({ types: [program()], clock, record, epoch: 2 })
  expect(next.fleet.summary().rolling).toMatchObject([{ total: 10, underWay: 10 }])
  await clock.advance(6_000)
  expect(next.record.eventsOf('rolling.resumed')).toMatchObject([{ subject: 'settler' }])
  expect(next.fleet.summary().rolling).toBeUndefined()
  expect(record.notes.has('rolling:settler')).toBe(false)
  expect(idle(next)).toBe(10)
})

test('Pools are replaced cell by cell, with a host that stands by ready before the old one goes', async () => {
  const world = await ready(agentType({ count: 20, perCell: 5 }))
  await world.clock.advance(5_000)
  await world.fleet.roll('settler', { share: 0.25 }, 'token:ann')
  expect(await fewest(world, 40_000)).toBeGreaterThanOrEqual(15)
  expect(epochs(world)).toEqual(new Set([2]))
})

test('A process is old in the last tenth of its longest life, and never without one', () => {
  expect(oldAge(undefined, 0.5, 1e12)).toBeNull()
  expect(oldAge(100_000, 1, 90_000)).toContain('it has lived for')
  expect(oldAge(100_000, 0, 99_999)).toBeNull()
  expect(oldAge(100_000, 0, 100_000)).toContain('at most')
})

for (const type of [
  agentType({ maxLifetimeMs: 60_000, heartbeatMs: 1_000 }),
  program({ maxLifetimeMs: 60_000, heartbeatMs: 1_000, count: 6 }),
])
  test(`Each ${type.run.module === undefined ? 'program' : 'pool host'} is replaced before it is too old, and that is nobody's loss`, async () => {
    const world = await ready(type)
    const first = new Set(world.cells.living)
    await world.clock.advance(90_000)
    expect([...first].filter((cell) => !cell.ended)).toEqual([])
    expect(idle(world)).toBe(type.count)
    expect(world.fleet.list().every(({ restarts }) => restarts === 0)).toBe(true)
    expect(world.record.eventsOf('cell.recycled').length).toBeGreaterThanOrEqual(type.count / type.perCell)
    expect(world.record.eventsOf('cell.lost')).toEqual([])
  })
