/** A freeze parks payments: no tries, no event for each, and a thaw lets them go on at once. */
import { expect, test } from 'vitest'
import type { CallOutcome } from '../../src/gatelink/gatelink.ts'
import { ask, answered, lost, nextGrant, tell, world, type World } from './world.ts'

const held = (code: string): CallOutcome => ({
  kind: 'not-sent',
  code,
  message: 'the swarm was frozen while it waited',
})
const settlementOf = async (at: World, reference: string) =>
  (await at.store.read.settlementByReference('bank', reference))!
const events = async (at: World): Promise<readonly string[]> =>
  (await at.store.read.events({ limit: 99, after: null, newestFirst: false })).items.map(({ kind }) => kind)

test('what the gate holds back is no try, tells no event, and is not tried again while everything is frozen', async () => {
  const at = world()
  const outcomes = ['a', 'b'].map((one) => at.settle.request(ask(one), 'settler/0001'))
  await nextGrant(at, 2)
  at.gate.frozen = true
  for (const grant of at.grants.slice()) await tell(at, grant, held('frozen'))
  for (let step = 0; step < 600; step += 1) await at.clock.move(1_000)
  expect(at.grants).toHaveLength(2)
  expect(await settlementOf(at, 'a')).toMatchObject({ state: 'reserved', tries: 0, person: true })
  expect(await at.settle.summary()).toMatchObject({ tries: 0 })
  expect(await events(at)).toEqual([])
  expect((await Promise.all(outcomes)).map(({ state }) => state)).toEqual(['unknown', 'unknown'])

  at.gate.frozen = false
  const thawedMs = at.clock.wallMs()
  at.settle.thawed()
  await nextGrant(at, 4)
  expect(at.clock.wallMs() - thawedMs).toBeLessThanOrEqual(100)
  for (const grant of at.grants.slice(2)) await tell(at, grant, answered(201))
  expect(await settlementOf(at, 'a')).toMatchObject({ state: 'settled', tries: 1 })
})

test('a thaw without a word is found by looking, and what another stop held back waits on', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  at.gate.frozen = true
  await tell(at, await nextGrant(at, 1), held('frozen'))
  for (let step = 0; step < 60; step += 1) await at.clock.move(1_000)
  at.gate.frozen = false
  for (let step = 0; step < 20; step += 1) await at.clock.move(100)
  expect(at.grants).toHaveLength(2)
})

test('a request that the provider refused went out: it counts, as one without a credential does not', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  void at.settle.request(ask('b'), 'settler/0001')
  await nextGrant(at, 2)
  const [first, second] = at.grants
  await tell(at, first!, answered(401))
  await tell(at, second!, held('credential-unavailable'))
  const tries = await Promise.all(['a', 'b'].map(async (one) => (await settlementOf(at, one)).tries))
  expect(tries.toSorted((one, other) => one - other)).toEqual([0, 1])
})

test('a refusal that arrives after the thaw, of a request that left before it, is tried again at once', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  const grant = await nextGrant(at, 1)
  at.settle.thawed()
  await at.clock.move(100)
  const thawedMs = at.clock.wallMs()
  await tell(at, grant, held('frozen'))
  const again = await nextGrant(at, 2)
  expect(at.clock.wallMs() - thawedMs).toBeLessThanOrEqual(1_000)
  // The gate says it again, of a request of after the thaw: it is frozen anew, and nothing goes round and round.
  await tell(at, again, held('frozen'))
  for (let step = 0; step < 20; step += 1) await at.clock.move(1_000)
  expect(at.grants).toHaveLength(2)
})

test('what a freeze keeps from being asked is asked at the thaw, however often it was refused', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), lost(at))
  await tell(at, await nextGrant(at, 2), held('frozen'))
  for (let step = 0; step < 20; step += 1) await at.clock.move(1_000)
  expect(at.grants).toHaveLength(2)
  expect(await settlementOf(at, 'a')).toMatchObject({ state: 'unknown', person: true })
  const thawedMs = at.clock.wallMs()
  at.settle.thawed()
  await tell(at, await nextGrant(at, 3), answered(200, { id: 'p1', status: 'paid' }))
  expect(at.clock.wallMs() - thawedMs).toBeLessThanOrEqual(200)
  expect(await settlementOf(at, 'a')).toMatchObject({ state: 'settled' })
})
