/** A cancel that meets a claim or an end in one commit: the cancelled task is not run, and its agent hears the truth. */
import { expect, test } from 'vitest'
import { done, world, type World } from './world.ts'

const stateOf = async (at: World, id: string): Promise<string> => (await at.store.read.task(id))!.state.state
const submitOne = async (at: World): Promise<string> =>
  (await at.work.submit([{ type: 'settle', payload: {}, key: 'k' }]))[0]!.id

test('a task that is claimed and cancelled in one commit is not given to its agent, which is free again', async () => {
  const at = await world(1)
  const agent = at.idle.pop()!
  const id = await submitOne(at)
  at.idle.push(agent)
  at.work.free('settler')
  await at.work.move(id, 'cancel', 'operator:ann')
  await at.clock.move(0)
  expect(await stateOf(at, id)).toBe('cancelled')
  expect((await at.store.read.attempts(id)).map(({ outcome }) => outcome)).toEqual(['interrupted'])
  expect(at.given).toEqual([])
  expect(at.idle).toEqual([agent])
})

test('an agent whose task is cancelled in the commit of its end is told that the end counts for nothing', async () => {
  const at = await world(1)
  const id = await submitOne(at)
  const cancelling = at.work.move(id, 'cancel', 'operator:ann')
  const told = done(at, at.given[0]!).then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )
  await cancelling
  expect(await told).toBe('stale')
  expect(await stateOf(at, id)).toBe('cancelled')
})
