/** A sitter that dies again and again through one agent: who is suspected, and that the swarm comes up without it. */
import { expect, test } from 'vitest'
import { chainOf, suspectsOf, touchedAt, type LostLife } from '../../../src/fleet/boot/decide.ts'
import type { AgentType } from '../../../src/model/model.ts'
import { seeded, shuffled } from './chance.ts'
import { agentType, openWorld, type World } from '../world.ts'

const life = (epoch: number, ...touched: string[]): LostLife => ({ epoch, diedMs: epoch * 1_000, touched })
const apart = (): boolean => false

test('Touched is who was started or given work in the last two seconds, the latest of them', () => {
  const touches = [
    { agent: 'a', atMs: 1_000 },
    { agent: 'b', atMs: 8_100 },
    { agent: 'a', atMs: 9_000 },
    { agent: 'c', atMs: 7_999 },
  ]
  expect(touchedAt(touches, 10_000, 5_000)).toEqual(['a', 'b'])
  const many = Array.from({ length: 300 }, (_, index) => ({ agent: `m/${index}`, atMs: 8_000 + index }))
  expect(touchedAt(many, 10_000, 5_000).length).toBe(50)
  expect(touchedAt(many, 10_000, 40).length).toBe(10)
  // A cell that was started belongs together.
  const cell = Array.from({ length: 100 }, (_, index) => ({ agent: `m/${index}`, atMs: 9_000 }))
  expect(touchedAt(cell, 10_000, 200).length).toBe(100)
})

test('Three lives in a row point at those that all of them touched, if these are few', () => {
  const chain = [life(1, 'a', 'b', 'v'), life(2, 'c', 'v'), life(3, 'v', 'd')].reduce(chainOf, [] as LostLife[])
  expect(suspectsOf(chain, 100, apart)).toEqual(['v'])
  expect(suspectsOf(chain.slice(1), 100, apart)).toEqual([])
  const two = [life(1, 'a', 'v'), life(2, 'a', 'v'), life(3, 'v', 'a')].reduce(chainOf, [] as LostLife[])
  expect(suspectsOf(two, 199, apart)).toEqual([])
  expect(suspectsOf(two, 200, apart)).toEqual(['a', 'v'])
  // Of one cell one is as likely as another.
  expect(suspectsOf(two, 10, () => true)).toEqual(['a', 'v'])
})

test('A life that ended in order, or touched none of these, begins anew', () => {
  const chain = [life(1, 'v'), life(2, 'v')].reduce(chainOf, [] as LostLife[])
  expect(chainOf(chain, life(3))).toEqual([])
  expect(chainOf(chain, life(3, 'a'))).toEqual([life(3, 'a')])
})

const types: readonly AgentType[] = [
  agentType({ name: 'worker', count: 40, perCell: 10 }),
  agentType({ name: 'clerk', count: 3, perCell: 3 }),
]
const villain = 'clerk/0002'

/** The sitter dies: with its cells, and with nothing more in the record than what is there. */
const die = async ({ clock, cells, record, fleet }: World, given: readonly string[]): Promise<World> => {
  const lastLife = { diedMs: clock.wallMs(), given: given.map((agent) => ({ agent, startedMs: clock.wallMs() - 40 })) }
  const epoch = record.epoch + 1
  record.epoch = epoch
  for (const cell of cells.living) cell.end()
  await clock.advance(100)
  void fleet.stop(0)
  return openWorld({ types, clock, record, epoch, lastLife })
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`An agent whose work kills the sitter is found among busy others, and the swarm works without it (seed ${seed})`, async () => {
    const chance = seeded(seed)
    const workers = Array.from({ length: 40 }, (_, index) => `worker/${String(index + 1).padStart(4, '0')}`)
    let world = await openWorld({ types })
    let lives = 1
    // Its work is the last thing that happens in each life, among that of any others.
    while (world.state(villain) !== 'quarantined' && lives < 15) {
      await world.clock.advance(3_000)
      const [alone] = world.record.eventsOf('boot.suspects').slice(-1)
      if (alone?.subject === villain) {
        // All others work already when it is started.
        expect(world.fleet.summary().byType['worker']).toEqual({ idle: 40 })
      }
      await world.clock.advance(1_000)
      const others = shuffled(workers, chance).slice(0, 8)
      world = await die(world, [...others, villain])
      lives += 1
    }
    expect(lives).toBeLessThan(12)
    await world.clock.advance(3_000)
    expect(world.fleet.summary().byState).toEqual({ idle: 42, quarantined: 1 })
    expect(world.record.eventsOf('agent.quarantined')).toMatchObject([
      { subject: villain, facts: { why: 'killed-the-sitter' } },
    ])
    expect(world.fleet.view(world.ref(villain))!.exit).toMatchObject({ kind: 'time' })
    // On its probe it does so once more, and waits for longer.
    await world.clock.advance(12 * 60_000)
    expect(world.state(villain)).toBe('idle')
    world = await die(world, [villain])
    expect(world.state(villain)).toBe('quarantined')
    expect(world.fleet.view(world.ref(villain))!.exit!.at! - world.clock.wallMs()).toBeGreaterThan(19 * 60_000)
  })
}

test('A sitter that somebody kills, whoever works then, is suspicious of nobody', async () => {
  const chance = seeded(9)
  const workers = Array.from({ length: 40 }, (_, index) => `worker/${String(index + 1).padStart(4, '0')}`)
  let world = await openWorld({ types })
  for (let round = 0; round < 12; round += 1) {
    await world.clock.advance(4_000)
    world = await die(world, shuffled(workers, chance).slice(0, 9))
  }
  await world.clock.advance(3_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 43 })
  expect(world.record.eventsOf('agent.quarantined')).toEqual([])
})

test('A suspect that waits for another one in its group keeps it from nothing: all of them come up', async () => {
  const pair = [agentType({ name: 'worker', count: 4 }), agentType({ name: 'clerk', count: 2, perCell: 2 })]
  const groups = [
    {
      name: 'desk',
      places: ['clerk/0001', 'clerk/0002'],
      strategy: 'rest_for_one',
      max: 5,
      withinMs: 600_000,
    } as const,
  ]
  let world = await openWorld({ types: pair, groups })
  for (let lives = 0; lives < 3; lives += 1) {
    await world.clock.advance(4_000)
    const atMs = world.clock.wallMs()
    const given = [
      { agent: 'clerk/0001', startedMs: atMs - 90 },
      { agent: 'clerk/0002', startedMs: atMs - 40 },
    ]
    const { clock, cells, record, fleet } = world
    record.epoch += 1
    for (const cell of cells.living) cell.end()
    await clock.advance(100)
    void fleet.stop(0)
    const lastLife = { diedMs: atMs, given }
    world = await openWorld({ types: pair, groups, clock, record, epoch: record.epoch, lastLife })
  }
  expect(world.record.eventsOf('boot.suspects')).toMatchObject([{ facts: { count: 2 } }])
  await world.clock.advance(60_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 6 })
})
