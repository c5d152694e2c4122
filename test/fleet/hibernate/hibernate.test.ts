/** Sleep and wake with a moved clock: who has a process when, what it costs, and what a next sitter finds. */
import { expect, test } from 'vitest'
import type { AgentType } from '../../../src/model/model.ts'
import { VirtualClock } from '../clock.ts'
import { FakeCells } from '../cells.ts'
import { agentType, openWorld, type World } from '../world.ts'

const sleepy = (change: Partial<AgentType> = {}): AgentType =>
  agentType({ count: 20, perCell: 5, hibernate: { afterMs: 60_000 }, ...change })
const program = (change: Partial<AgentType> = {}): AgentType =>
  sleepy({ run: { command: ['/bin/agent'], directory: '/agents' }, perCell: 1, ...change })

const states = ({ fleet }: World): Partial<Record<string, number>> => fleet.summary().byState
const kinds = ({ record }: World): string[] => record.events.map(({ kind }) => kind)

test('Who never had work has no process and no row, and is no gap in what reports', async () => {
  const world = await openWorld({ types: [sleepy({ count: 1_000 })] })
  await world.clock.advance(120_000)
  expect(world.cells.all).toEqual([])
  expect(states(world)).toEqual({ hibernating: 1_000 })
  expect(world.record.agents.size).toBe(0)
  expect(world.fleet.summary().coverage).toEqual({ reporting: 0, of: 0, oldestMs: null, asleep: 1_000 })
  const [exists, ...rest] = world.fleet.view({ type: 'settler', number: 7 })!.evidence
  expect(exists).toMatchObject({ fact: 'exists', value: 'no', detail: expect.stringContaining('asleep since') })
  expect(rest.map(({ fact }) => fact)).toEqual(['progresses', 'useful'])
})

test('Work wakes as many as tasks wait, into one host, and they are told as free', async () => {
  const world = await openWorld({ types: [sleepy()] })
  world.fleet.want('settler', 3)
  await world.clock.advance(200)
  expect(states(world)).toEqual({ idle: 3, hibernating: 17 })
  expect(world.cells.living.size).toBe(1)
  expect(world.freed).toContain('settler')
  expect(world.fleet.summary().restarts).toBe(0)
})

test('Those that are free or on their way are not woken twice for the same tasks', async () => {
  const world = await openWorld({ types: [sleepy()] })
  world.fleet.want('settler', 2)
  world.fleet.want('settler', 2)
  await world.clock.advance(200)
  world.fleet.want('settler', 2)
  await world.clock.advance(200)
  expect(states(world)['idle']).toBe(2)
})

test('While a claim is open its agents count for tasks that wait, and afterwards only tasks that were not given out do', async () => {
  const world = await openWorld({ types: [sleepy()] })
  world.fleet.want('settler', 4)
  await world.clock.advance(200)
  const taken = world.fleet.take('settler', 4)
  // The record still counts all four as waiting.
  world.fleet.want('settler', 4)
  await world.clock.advance(200)
  expect(states(world)).toEqual({ busy: 4, hibernating: 16 })
  for (const [index, { agent, cell }] of taken.slice(0, 3).entries()) {
    const of = { task: `tsk_${index}`, type: 'settle', payload: {}, number: 1, deadline: null, key: `${index}` }
    world.fleet.run([{ agent, cell, attempt: `att_${index}`, ...of }])
  }
  world.fleet.release(taken[3]!.agent)
  world.fleet.want('settler', 2)
  await world.clock.advance(200)
  // One is free again, so one more is enough.
  expect(states(world)).toEqual({ busy: 3, idle: 2, hibernating: 15 })
})

test('A living host is filled before another is started', async () => {
  const world = await openWorld({ types: [sleepy()] })
  for (let more = 1; more <= 5; more += 1) {
    world.fleet.want('settler', more)
    await world.clock.advance(200)
    expect(world.cells.living.size).toBe(1)
  }
  world.fleet.want('settler', 6)
  await world.clock.advance(200)
  expect(world.cells.living.size).toBe(2)
})

test('With little work a few agents do it and the others come to rest', async () => {
  const world = await openWorld({ types: [sleepy({ hibernate: { afterMs: 5_000 } })] })
  world.fleet.want('settler', 5)
  await world.clock.advance(300)
  world.fleet.want('settler', 0)
  for (let number = 0; number < 10; number += 1) {
    const agent = world.give(`att_${number}`)!
    await world.clock.advance(1_000)
    await world.cells.of(agent).finish(agent)
  }
  expect(states(world)).toEqual({ idle: 1, hibernating: 19 })
})

test('Wakes and sleeps by the hundred are a few events: the first with its name, the others counted', async () => {
  const world = await openWorld({ types: [sleepy({ count: 100, perCell: 10, hibernate: { afterMs: 100 } })] })
  for (let number = 1; number <= 40; number += 1) {
    world.fleet.want('settler', 1)
    await world.clock.advance(150)
    world.fleet.want('settler', 0)
    await world.clock.advance(1_050)
  }
  await world.clock.advance(20_000)
  const told = world.record.events.filter(({ kind }) => kind === 'agent.woken')
  // 48 s: one at once, and one for each ten seconds.
  expect(told.length).toBeLessThanOrEqual(6)
  expect(told.reduce((sum, { facts }) => sum + (facts['count'] as number), 0)).toBe(40)
  expect(kinds(world)).not.toContain('cell.started')
})

test('After its time an idle agent sleeps: its host drops it, and ends in order with the last one', async () => {
  const world = await openWorld({ types: [sleepy()] })
  world.fleet.want('settler', 2)
  await world.clock.advance(1_000)
  world.fleet.want('settler', 0)
  const agent = world.give('att_1')!
  await world.clock.advance(59_500)
  expect(states(world)).toEqual({ busy: 1, hibernating: 19 })
  const [cell] = [...world.cells.living]
  expect([...cell!.seats.keys()]).toEqual([agent])
  await cell!.finish(agent)
  await world.clock.advance(59_000)
  expect(states(world)['idle']).toBe(1)
  await world.clock.advance(2_000)
  expect(states(world)).toEqual({ hibernating: 20 })
  expect([cell!.drained, cell!.ended]).toEqual([true, true])
  const { restarts, cellsLost } = world.fleet.summary()
  expect([restarts, cellsLost, world.lost]).toEqual([0, 0, []])
  expect(kinds(world)).not.toContain('cell.lost')
  expect(kinds(world)).not.toContain('agent.restarted')
})

test('A program is drained and gone after its time, and a new process wakes for work', async () => {
  const world = await openWorld({ types: [program({ count: 3 })] })
  world.fleet.want('settler', 1)
  await world.clock.advance(200)
  const [first] = [...world.cells.living]
  world.fleet.want('settler', 0)
  await world.clock.advance(61_000)
  expect([first!.drained, first!.ended, world.cells.living.size]).toEqual([true, true, 0])
  world.fleet.want('settler', 1)
  await world.clock.advance(200)
  expect(world.cells.living.size).toBe(1)
  const view = world.fleet.list().find(({ state }) => state === 'idle')!
  expect([view.restarts, view.reason]).toEqual([0, null])
})

test('With no time at all an agent sleeps as soon as nobody wants it', async () => {
  const world = await openWorld({ types: [program({ count: 1, hibernate: { afterMs: 0 } })] })
  world.fleet.want('settler', 1)
  await world.clock.advance(99)
  await world.clock.settle()
  expect(world.state('settler/0001')).toBe('starting')
  // The room above takes it in the turn in which it is told.
  world.cells.onRun = (cell, { agent }) => void world.clock.timer(5, () => void cell.finish(agent))
  await world.clock.advance(1)
  const agent = world.give('att_1')
  world.fleet.want('settler', 0)
  expect(agent ?? 'asleep again').toBeDefined()
  await world.clock.advance(3_000)
  expect(states(world)).toEqual({ hibernating: 1 })
  expect(world.cells.living.size).toBe(0)
})

test('An agent that lives apart has something to prove, and does so awake', async () => {
  const restart = { type: 'permanent', max: 50, withinMs: 600_000, baseMs: 200, capMs: 30_000 } as const
  const world = await openWorld({ types: [sleepy({ count: 2, perCell: 2, restart, hibernate: { afterMs: 500 } })] })
  for (let death = 0; death < 3; death += 1) {
    world.fleet.want('settler', 2)
    await world.clock.advance(300)
    world.fleet.want('settler', 0)
    for (const cell of world.cells.living) cell.end('killed', 'signal SIGABRT')
  }
  await world.clock.advance(1_500)
  const apart = world.fleet.list().filter((agent) => agent.apart !== undefined)
  expect(apart.map(({ state }) => state)).toEqual(['idle', 'idle'])
  await world.clock.advance(600_000)
  expect(states(world)).toEqual({ hibernating: 2 })
  expect(world.fleet.summary().apart).toBe(0)
})

test('A wake that fails costs no attempt and waits by its policy; another is woken only when it is given up', async () => {
  const world = await openWorld({ types: [program({ count: 50 })] })
  world.cells.failing = () => 'no such program'
  world.fleet.want('settler', 1)
  await world.clock.advance(400)
  expect(states(world)['hibernating']).toBe(49)
  await world.clock.advance(3_600_000)
  // Three in quarantine and nobody that works: the other 47 are spared.
  expect([states(world)['quarantined'], states(world)['hibernating']]).toEqual([3, 47])
  expect(kinds(world).filter((kind) => kind === 'wake.given-up')).toHaveLength(1)
  expect(world.lost).toEqual([])
})

test('Fifty thousand tasks wake no more a second than the bucket gives', async () => {
  const world = await openWorld({ types: [program({ count: 200 })], startingAtOnce: 1_000 })
  world.fleet.want('settler', 200)
  await world.clock.settle()
  expect(world.cells.all.length).toBe(25)
  await world.clock.advance(2_000)
  expect(world.cells.all.length).toBeGreaterThanOrEqual(73)
  expect(world.cells.all.length).toBeLessThanOrEqual(76)
})

test('No more are awake at once than the type allows', async () => {
  const world = await openWorld({ types: [sleepy({ hibernate: { afterMs: 60_000, mostAwake: 4 } })] })
  world.fleet.want('settler', 20)
  await world.clock.advance(10_000)
  expect(states(world)).toEqual({ idle: 4, hibernating: 16 })
})

test('Killed at any moment, nobody is woken by the next sitter but by work', async () => {
  const clock = new VirtualClock()
  const world = await openWorld({ types: [sleepy()], clock })
  world.fleet.want('settler', 7)
  await clock.advance(150)
  world.record.epoch = 2
  const cells = new FakeCells(clock)
  const next = await openWorld({ types: [sleepy()], clock, record: world.record, cells, epoch: 2 })
  await clock.advance(60_000)
  expect(cells.all).toEqual([])
  expect(states(next)).toEqual({ hibernating: 20 })
  const rows = [...world.record.agents.values()]
  expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(['hibernating']))
  const before = Math.max(...rows.map(({ epoch }) => epoch))
  next.fleet.want('settler', 1)
  await clock.advance(200)
  expect(next.fleet.list().find(({ state }) => state === 'idle')!.epoch).toBe(before + 1)
})

test('A person can wake, pause, quarantine and stop who sleeps; a restart leaves sleepers alone', async () => {
  const world = await openWorld({ types: [sleepy()] })
  const by = { actor: 'ann', reason: 'test' }
  const ref = (number: number) => [{ type: 'settler', number }]
  await world.fleet.order('start', ref(1), by)
  await world.fleet.order('pause', ref(2), by)
  await world.fleet.order('quarantine', ref(3), by)
  await world.fleet.order('stop', ref(4), by)
  await world.clock.advance(200)
  expect([1, 2, 3, 4].map((number) => world.state(`settler/000${number}`))).toEqual([
    'idle',
    'paused',
    'quarantined',
    'stopped',
  ])
  await expect(world.fleet.restart(ref(5), 'ann')).rejects.toMatchObject({ code: 'conflict' })
  await world.fleet.order('resume', ref(2), by)
  await world.clock.advance(200)
  expect(world.state('settler/0002')).toBe('idle')
})

test('The configuration may begin and end the sleep of a type as it runs', async () => {
  const { hibernate: _, ...awake } = sleepy()
  const world = await openWorld({ types: [sleepy()] })
  await world.fleet.reconfigure({ settler: awake }, 'ann')
  await world.clock.advance(5_000)
  expect(states(world)).toEqual({ idle: 20 })
  await world.fleet.reconfigure({ settler: sleepy({ count: 30 }) }, 'ann')
  await world.clock.advance(10_000)
  expect(states(world)).toEqual({ idle: 20, hibernating: 10 })
  await world.clock.advance(60_000)
  expect(states(world)).toEqual({ hibernating: 30 })
  expect(world.cells.living.size).toBe(0)
})

test('Other settings of a type that sleeps wake nobody, and hold for whom is woken next', async () => {
  const world = await openWorld({ types: [sleepy()] })
  await world.fleet.reconfigure({ settler: sleepy({ config: { colour: 'red' } }) }, 'ann')
  await world.clock.advance(30_000)
  expect(world.cells.all).toEqual([])
  world.fleet.want('settler', 1)
  await world.clock.advance(1_000)
  expect([...world.cells.living][0]!.plan.seats[0]!.config).toEqual({ colour: 'red' })
})
