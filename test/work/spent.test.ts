/** The third bound of a task: time in hand over all its attempts, which nothing but a person begins anew. */
import { expect, test } from 'vitest'
import { asks, done, fail, settle, stateOf, world, type World } from './world.ts'

const bounded = { ...settle, retry: { max: 1_000, baseMs: 1, capMs: 1 }, workMs: 60_000 }

/** The fleet has it free again. */
const back = (at: World, agent: string): void => {
  at.idle.push(agent)
  at.work.free('settler')
}

const given = async (at: World, count: number): Promise<World['given'][number]> => {
  for (let round = 0; at.given.length < count && round < 200; round += 1) await at.clock.move(50)
  return at.given[count - 1]!
}

test('A task that is tried again and again, a little at a time, ends when it has been in hand for as long as it may', async () => {
  const at = await world(1, bounded)
  await at.work.submit(asks(1))
  let tries = 0
  for (;;) {
    const one = await given(at, tries + 1)
    tries += 1
    await at.clock.move(7_000)
    if ((await stateOf(at, one)) === 'dead') break
    await fail(at, one)
    back(at, one.agent)
    expect(tries).toBeLessThan(20)
  }
  // Eight times seven seconds are fifty-six; the ninth is ended on its way.
  expect(tries).toBe(9)
  expect(at.cancelled.length).toBe(1)
  const one = at.given.at(-1)!
  expect((await at.store.read.task(one.task))!.error).toMatchObject({ name: 'WorkSpent' })
  expect(await at.store.read.deadLettersOf(one.task)).toMatchObject([{ reason: 'work' }])
  await expect(done(at, one)).rejects.toMatchObject({ code: 'stale' })
})

test('Attempts that cost nothing count all the same: an agent whose cell dies again and again is no way around it', async () => {
  const at = await world(1, bounded)
  await at.work.submit(asks(1))
  let tries = 0
  for (;;) {
    const one = await given(at, tries + 1)
    tries += 1
    await at.clock.move(25_000)
    if ((await stateOf(at, one)) === 'dead') break
    back(at, one.agent)
    at.work.lost([{ attempt: one.attempt, agent: one.agent, cause: 'its cell died', collateral: true }])
    expect(tries).toBeLessThan(10)
  }
  expect(tries).toBe(3)
})

test('A redrive is a person who begins anew', async () => {
  const at = await world(1, bounded)
  await at.work.submit(asks(1))
  const one = await given(at, 1)
  await at.clock.move(62_000)
  expect(await stateOf(at, one)).toBe('dead')
  back(at, one.agent)
  await at.work.move(one.task, 'redrive', 'operator:ada')
  const two = await given(at, 2)
  await at.clock.move(5_000)
  await done(at, two)
  expect(await stateOf(at, two)).toBe('succeeded')
})

test('Without a bound nothing is ended, however long', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  const one = await given(at, 1)
  await at.clock.move(3_600_000)
  expect(await stateOf(at, one)).toBe('running')
})
