/** A sitter that dies again and again through one agent: who is suspected, and that the swarm comes up without it. */
import { expect, test } from 'vitest'
import { aloneAfterMs, chainOf, handsAt, suspectsOf, touchedAt, type LostLife } from '../../../src/fleet/boot/decide.ts'
import type { AgentType } from '../../../src/model/model.ts'
import { seeded, shuffled } from './chance.ts'
import { agentType, openWorld, type World } from '../world.ts'

const life = (epoch: number, ...touched: string[]): LostLife => ({ epoch, diedMs: epoch * 1_000, touched, hands: [] })
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

test('Where all start in one moment and the sitter dies in it, the same work in the same hand points at whoever has it', () => {
  const agents = Array.from({ length: 30 }, (_, index) => `w/${index}`)
  const given = (epoch: number) => [
    ...agents.map((agent) => ({ agent, task: `t${agent}${epoch}`, startedMs: 9_990 })),
    { agent: 'v', task: 'bite', startedMs: 9_985 },
    { agent: 'w/old', task: 'slow', startedMs: 7_000 },
  ]
  const lost = (epoch: number): LostLife => ({
    ...life(epoch, ...(epoch % 2 === 0 ? agents.slice(0, 12) : agents.slice(12, 24))),
    hands: handsAt(given(epoch), 10_000),
  })
  const chain = [lost(1), lost(2), lost(3)].reduce(chainOf, [] as LostLife[])
  expect(suspectsOf(chain, 31, apart)).toEqual(['v'])
  expect(suspectsOf(chain.slice(1), 31, apart)).toEqual([])
  // Another agent that has the same work is no sign of this one.
  const moved = { ...lost(4), hands: ['w/1 bite'] }
  expect(suspectsOf([...chain, moved].slice(1), 31, apart)).toEqual([])
})

test('Who is touched by a death of its own again waits longer each time, and never for ever', () => {
  expect([0, 1, 2, 3, 4, 50].map(aloneAfterMs)).toEqual([0, 0, 4_000, 8_000, 16_000, 300_000])
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
  const lastLife = {
    diedMs: clock.wallMs(),
    given: given.map((agent, at) => ({ agent, task: `tsk_${record.epoch}_${at}`, startedMs: clock.wallMs() - 40 })),
  }
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
    const named = () => world.record.eventsOf('boot.suspects').filter(({ subject }) => subject === villain)
    // Its work is the last thing that happens in each life, among that of any others.
    for (let lives = 1; lives < 15; lives += 1) {
      await world.clock.advance(3_000)
      const waitMs = (named().at(-1)?.facts['waitMs'] as number | undefined) ?? 0
      if (waitMs > 0) {
        // All others work already when it is started, and longer each time.
        expect(world.fleet.summary().byType).toMatchObject({ worker: { idle: 40 }, clerk: { idle: 2, starting: 1 } })
        await world.clock.advance(waitMs - 3_500)
        expect(world.state(villain)).toBe('starting')
      }
      await world.clock.advance(6_000)
      expect(world.state(villain)).toBe('idle')
      const others = shuffled(workers, chance).slice(0, 8)
      world = await die(world, [...others, villain])
    }
    const waits = named().map(({ facts }) => facts['waitMs'] as number)
    expect(waits.length).toBeGreaterThan(4)
    expect(waits).toEqual(waits.toSorted((one, other) => one - other))
    expect(waits.at(-1)).toBeGreaterThan(4_000)
    expect(named().at(-1)!.message).toContain(`sitter quarantine ${villain}`)
    // Nobody is held for it: what is known is who was there.
    expect(world.record.eventsOf('agent.quarantined')).toEqual([])
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
      { agent: 'clerk/0001', task: `tsk_${lives}_1`, startedMs: atMs - 90 },
      { agent: 'clerk/0002', task: `tsk_${lives}_2`, startedMs: atMs - 40 },
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
