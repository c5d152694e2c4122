/** Progress that is seen by us, work that waits for others, and an agent's own word: three things. */
import { expect, test } from 'vitest'
import { agentType, openWorld, type World } from './world.ts'

const ready = async (): Promise<World> => {
  const world = await openWorld({ types: [agentType({ stuckAfterMs: 3_000 })] })
  await world.clock.advance(2_000)
  return world
}
const progresses = (world: World, agent: string) =>
  world.fleet.view(world.ref(agent))!.evidence.find(({ fact }) => fact === 'progresses')
const cancelled = (world: World): unknown[] =>
  world.record.eventsOf('attempt.cancelled').map((event) => event.facts!['reason'])

test('An agent whose calls are answered gets on, however long its attempt lasts; then it is stuck as soon as any', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  for (let second = 0; second < 60; second += 1) {
    await world.clock.advance(1_000)
    world.fleet.seen({ answered: [agent], inHand: [] })
  }
  expect(cancelled(world)).toEqual([])
  expect(progresses(world, agent)).toMatchObject({ value: 'yes', source: 'a call through the gate, answered' })
  await world.clock.advance(2_000)
  expect(progresses(world, agent)).toMatchObject({ value: 'no' })
  await world.clock.advance(2_000)
  expect(cancelled(world)).toEqual([expect.stringMatching(/^no progress for 3\d\d\d ms$/)])
})

test('Who has a call in hand waits for others while the gate says so, and for no longer', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  for (let round = 0; round < 24; round += 1) {
    world.fleet.seen({ answered: [], inHand: [agent] })
    await world.clock.advance(5_000)
  }
  expect(cancelled(world)).toEqual([])
  // It is known to wait, and not known to get on.
  expect(progresses(world, agent)).toMatchObject({ value: 'unknown', detail: 'waits for a call or a payment' })
  await world.clock.advance(11_000)
  expect(cancelled(world)).toHaveLength(1)
})

test('A call in hand does not protect an attempt that was asked to give up', async () => {
  const world = await ready()
  world.cells.onCancel = () => {
    /* it does not listen */
  }
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  world.fleet.cancel(agent, 'att_1', 'by a person')
  for (let second = 0; second < 10; second += 1) {
    world.fleet.seen({ answered: [agent], inHand: [agent] })
    await world.clock.advance(1_000)
  }
  expect(cell.ended).toBe(true)
})

test('What an agent says of itself is no evidence: nobody knows whether it gets on', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  await world.cells.of(agent).finish(agent)
  world.give('att_2')
  const beats = async (of: string): Promise<void> => {
    for (let second = 0; second < 10; second += 1) {
      void world.cells.of(of).say('beat', { agent: of, progress: 'nearly there' })
      await world.clock.advance(1_000)
    }
  }
  const busy = world.fleet.list().find(({ attempt }) => attempt === 'att_2')!.id
  await beats(busy)
  expect(progresses(world, busy)).toMatchObject({ value: 'unknown', detail: expect.stringContaining('says that it') })
  // Its word is enough to be left alone: what bounds it is its task's `work`.
  expect(cancelled(world)).toEqual([])
  await world.clock.advance(4_000)
  expect(cancelled(world)).toHaveLength(1)
})

test('What the gate says of agents that are not there changes nothing', async () => {
  const world = await ready()
  world.fleet.seen({ answered: ['settler/9999', 'nobody'], inHand: ['settler/9999', 'settler/0001'] })
  expect(progresses(world, 'settler/0001')).toMatchObject({ value: 'unknown' })
})
