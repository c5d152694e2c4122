/** What the gate is told of who may call: nobody who was taken out of its cell, and no attempt that was ended. */
import { expect, test } from 'vitest'
import { agentType, openWorld, type World } from './world.ts'

type Told = World['announced'][number]
const seats = ({ agents, epochs }: Told): string =>
  agents.map((agent, index) => `${agent.slice(-1)}@${epochs?.[index]}`).join(' ')

const three = async (): Promise<World> => {
  const world = await openWorld({ types: [agentType({ count: 3, perCell: 3 })] })
  await world.clock.advance(2_000)
  return world
}

test('A restart tells the gate at once that an older incarnation is out', async () => {
  const world = await three()
  expect(world.announced.map(seats).at(-1)).toBe('1@1 2@1 3@1')
  const before = world.announced.length
  await world.fleet.restart([world.ref('settler/0002')], 'ada')
  await world.clock.settle()
  expect(world.announced[before]).toBeDefined()
  expect(new Set(world.announced.slice(before).map(seats))).toEqual(new Set(['1@1 2@2 3@1']))
})

test('Of those that leave together the gate is told once', async () => {
  const world = await three()
  const before = world.announced.length
  const named = ['settler/0001', 'settler/0003'].map((agent) => world.ref(agent))
  await world.fleet.order('stop', named, { actor: 'ada', reason: 'a look' })
  await world.clock.advance(1_000)
  expect(world.announced.slice(before).map(seats)).toEqual(['2@1'])
})

test('An attempt that its agent is asked to give up is fenced at once, while the agent stays', async () => {
  const world = await three()
  const agent = world.give('att_1')!
  const before = world.announced.length
  world.fleet.cancel(agent, 'att_1', 'by a person')
  await world.clock.settle()
  expect(world.announced.slice(before).map((told) => [seats(told), told.ended])).toEqual([['1@1 2@1 3@1', ['att_1']]])
})
