/** What the fleet makes of an agent that was asleep: nothing, when it goes on; a word to people, when it begins anew. */
import { expect, test } from 'vitest'
import { openWorld } from './world.ts'

test('an agent that slept and goes on is no news; one that begins anew is an event, and no loss', async () => {
  const world = await openWorld()
  await world.clock.advance(1_000)
  const [one, other] = ['settler/0001', 'settler/0002']
  await world.cells.of(one).say('agent.woken', { agent: one, tookMs: 3.2, anew: null })
  await world.cells.of(other).say('agent.woken', { agent: other, tookMs: 9, anew: 'its snapshot is damaged' })
  await world.clock.settle()
  expect(world.record.eventsOf('agent.began-anew')).toMatchObject([
    {
      subject: other,
      facts: { why: 'its snapshot is damaged' },
      message: expect.stringContaining('damaged') as string,
    },
  ])
  expect(world.fleet.summary().byState).toEqual({ idle: 10 })
  expect(world.record.eventsOf('agent.lost')).toEqual([])
})

test('what a host says of waking is checked like any frame', async () => {
  const world = await openWorld()
  await world.clock.advance(1_000)
  const agent = 'settler/0001'
  for (const wrong of [{ tookMs: 'soon', anew: null }, { tookMs: 1, anew: 7 }, { tookMs: 1 }])
    await world.cells.of(agent).say('agent.woken', { agent, ...wrong })
  await world.cells.of(agent).say('agent.woken', { agent: 'settler/0010', tookMs: 1, anew: 'not its own' })
  await world.clock.settle()
  expect(world.record.eventsOf('agent.began-anew')).toEqual([])
  expect(world.record.eventsOf('frame.refused').length).toBeGreaterThan(0)
})
