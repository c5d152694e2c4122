/** The ladder of a silent cell in virtual time: what is ended, what is excused, and what of it can be read afterwards. */
import { expect, test } from 'vitest'
import type { FakeCell } from '../cells.ts'
import { agentType, openWorld, type World, type WorldAsk } from '../world.ts'

const ready = async (ask: WorldAsk = {}): Promise<World> => {
  const world = await openWorld({ types: [agentType({ heartbeatMs: 1_000, stuckAfterMs: 8_000 })], ...ask })
  await world.clock.advance(1_000)
  return world
}
/** From now on its process is seen to spend its time so, in parts of it. */
const spends = (world: World, { identity }: FakeCell, ran: number, waited: number, state = 'R'): void => {
  const from = world.clock.monoMs()
  world.efforts.set(identity.pid, () => {
    const passedMs = world.clock.monoMs() - from
    const thread = { state, ranMs: passedMs * ran, waitedMs: passedMs * waited }
    return { startTime: identity.startTime, state, threads: new Map([[identity.pid, thread]]) }
  })
}
const decisions = (world: World): readonly (readonly [unknown, unknown])[] =>
  world.record.eventsOf('cell.decision').map(({ facts }) => [facts['step'], facts['verdict']])

test('A starved cell is told and not ended, however long; a word of it ends the matter', async () => {
  const world = await ready()
  const [cell] = [...world.cells.living]
  cell!.hung = true
  spends(world, cell!, 0.02, 0.97)
  await world.clock.advance(20_000)
  expect(cell!.ended).toBe(false)
  expect(decisions(world)).toEqual([
    ['nudge', undefined],
    ['challenge', undefined],
    ['judge', 'starved'],
  ])
  // Its state has a way out that is not over already.
  expect(world.fleet.view(world.ref([...cell!.seats.keys()][0]!))).toMatchObject({
    state: 'suspect',
    exit: { kind: 'event', what: 'its cell answers, or is to blame for its silence (now it is starved)' },
  })
  cell!.hung = false
  await world.clock.advance(1_000)
  expect(world.record.eventsOf('cell.answered')).toMatchObject([{ facts: { excuse: 'starved' } }])
  expect({ ...world.fleet.summary().byState }).toEqual({ idle: 10 })
  expect(world.record.eventsOf('cell.lost')).toEqual([])
})

test.each([
  ['a loop', 0.98, 0.02, 'R', 'looping'],
  ['a hang', 0, 0, 'S', 'hung'],
  ['a stop', 0, 0, 'T', 'stopped'],
])('With the host free, %s is ended at the third beat, and the steps are in the record', async (...row) => {
  const [, ran, waited, state, verdict] = row
  const world = await ready()
  const [cell] = [...world.cells.living]
  cell!.hung = true
  spends(world, cell!, ran, waited, state)
  const fromMs = world.clock.monoMs()
  while (!cell!.ended) await world.clock.advance(50)
  expect(world.clock.monoMs() - fromMs).toBeLessThanOrEqual(3_050)
  await world.clock.settle()
  expect(decisions(world)).toEqual([
    ['nudge', undefined],
    ['challenge', undefined],
    ['judge', verdict],
    ['stack', undefined],
    ['kill', undefined],
  ])
  expect(world.record.eventsOf('cell.lost')[0]!.facts).toMatchObject({
    ladder: ['suspect', 'nudge', 'challenge', 'judge', 'stack', 'kill'],
  })
})

test('A loop on a crowded host is found once it has burnt two beats of its own', async () => {
  const world = await ready()
  const [cell] = [...world.cells.living]
  cell!.hung = true
  spends(world, cell!, 0.1, 0.9)
  await world.clock.advance(20_000)
  expect(cell!.ended).toBe(false)
  await world.clock.advance(5_000)
  expect(cell!.ended).toBe(true)
  expect(decisions(world).findLast(([step]) => step === 'judge')).toEqual(['judge', 'looping'])
})

test('A sitter that does not see its own beats ends nobody, and ends the silent one as soon as it sees them again', async () => {
  let sees = false
  const world = await ready({ seesItself: () => sees })
  const [cell] = [...world.cells.living]
  const agent = world.give('att_1')!
  world.cells.of(agent).hung = true
  await world.clock.advance(60_000)
  expect(world.cells.all.every(({ ended }) => !ended)).toBe(true)
  expect(decisions(world).at(-1)).toEqual(['judge', 'disarmed'])
  sees = true
  await world.clock.advance(1_500)
  expect(cell!.ended || world.cells.all.some(({ ended }) => ended)).toBe(true)
})

test('An attempt that its agent has dropped is given to another when it is cancelled, and ends no cell', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  cell.runs.delete(agent)
  world.fleet.cancel(agent, 'att_1', 'deadline')
  await world.clock.advance(10_000)
  expect(cell.ended).toBe(false)
  expect(world.lost).toMatchObject([{ attempt: 'att_1', agent, collateral: true }])
  expect(world.state(agent)).toBe('idle')
})

test('An attempt that its agent still holds when its grace is over ends its cell, as before', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  world.fleet.cancel(agent, 'att_1', 'deadline')
  await world.clock.advance(4_900)
  expect(cell.ended).toBe(false)
  await world.clock.advance(1_100)
  expect(cell.ended).toBe(true)
})

test('An agent whose process could not run gets more time before it is asked to give up', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  spends(world, cell, 0.01, 0.98)
  await world.clock.advance(20_000)
  expect(world.record.eventsOf('attempt.cancelled')).toEqual([])
  expect(world.record.eventsOf('attempt.excused')[0]).toMatchObject({ facts: { verdict: 'starved' } })
  spends(world, cell, 0, 0, 'S')
  await world.clock.advance(8_500)
  expect(world.record.eventsOf('attempt.cancelled').length).toBe(1)
})

test('An attempt whose process was starved once when its grace was over is ended when it has a grace of its own', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  spends(world, cell, 0.1, 0.9)
  world.fleet.cancel(agent, 'att_1', 'deadline')
  await world.clock.advance(7_000)
  expect(cell.ended).toBe(false)
  expect(world.record.eventsOf('attempt.excused').length).toBe(1)
  spends(world, cell, 0.98, 0.02)
  await world.clock.advance(12_000)
  expect(cell.ended).toBe(true)
})
