/** Sleep of agents with machines of their own, with a moved clock: what they were survives, once, and no task is lost. */
import { expect, test } from 'vitest'
import type { AgentType } from '../../../src/model/model.ts'
import { VirtualClock } from '../clock.ts'
import { FakeBeds, FakeCells, type FakeCell } from '../cells.ts'
import { agentType, openWorld, type World, type WorldAsk } from '../world.ts'

const machines = (change: Partial<AgentType> = {}): AgentType =>
  agentType({
    count: 4,
    perCell: 4,
    cell: { kind: 'vm', orWeaker: true, vm: { memoryBytes: 8_000_000, sliceMs: 100 } },
    hibernate: { afterMs: 60_000 },
    ...change,
  })
const kinds = ({ record }: World): string[] => record.events.map(({ kind }) => kind)
const states = ({ fleet }: World): Partial<Record<string, number>> => fleet.summary().byState

interface Dormitory extends World {
  readonly beds: FakeBeds
  cell(): FakeCell
}
const open = async (ask: WorldAsk = {}): Promise<Dormitory> => {
  const clock = ask.clock ?? new VirtualClock()
  const beds = ask.beds ?? new FakeBeds(clock)
  const world = await openWorld({ types: [machines()], ...ask, clock, beds })
  return Object.assign(world, { beds, cell: () => [...world.cells.living][0]! })
}
/** One agent has worked once, and all are at rest after it. */
const workOnce = async (world: Dormitory, attempt = 'att_1', timerMs: number | null = null): Promise<string> => {
  world.fleet.want('settler', 1)
  await world.clock.advance(300)
  const agent = world.give(attempt)!
  world.fleet.want('settler', 0)
  const cell = world.cells.of(agent)
  const { seen } = cell.memories.get(agent)!
  cell.memories.set(agent, { seen, timerMs: timerMs === null ? null : world.clock.monoMs() + timerMs })
  await cell.finish(agent)
  return agent
}
const laidDown = async (world: Dormitory, timerMs: number | null = null): Promise<string> => {
  const agent = await workOnce(world, 'att_1', timerMs)
  await world.clock.advance(62_000)
  expect(states(world)).toEqual({ hibernating: 4 })
  return agent
}

test('After its time it lies in a bed, its host ends, and with the next work it goes on where it was', async () => {
  const world = await open()
  const agent = await laidDown(world)
  expect([[...world.beds.files.keys()], world.cells.living.size]).toEqual([[agent], 0])
  world.fleet.want('settler', 1)
  await world.clock.advance(300)
  expect(world.state(agent)).toBe('idle')
  expect(world.cell().memories.get(agent)).toMatchObject({ seen: 1 })
  expect([world.give('att_2'), world.beds.files.size]).toEqual([agent, 0])
  expect(kinds(world)).not.toContain('agent.began-anew')
  const { restarts, cellsLost } = world.fleet.summary()
  expect([restarts, cellsLost, world.lost]).toEqual([0, 0, []])
})

test('Its own timer wakes it, at its time and once, however long it has slept', async () => {
  const world = await open()
  const agent = await laidDown(world, 7_200_000)
  expect(world.fleet.view(world.ref(agent))!.exit).toMatchObject({
    kind: 'time',
    what: expect.stringContaining('timer'),
  })
  await world.clock.advance(7_200_000 - 62_000 - 1_000)
  expect(states(world)).toEqual({ hibernating: 4 })
  await world.clock.advance(1_500)
  expect([world.state(agent), world.cells.fired]).toEqual(['idle', [agent]])
  await world.clock.advance(7_200_000)
  expect([world.cells.fired, states(world)]).toEqual([[agent], { hibernating: 4 }])
})

test('While it falls asleep nobody can take it, and a task that comes then wakes it: given once, lost never', async () => {
  const world = await open({ types: [machines({ count: 1 })] })
  world.cells.sleepMs = 500
  const agent = await workOnce(world)
  await world.clock.advance(60_200)
  expect([world.state(agent), world.fleet.freeCount('settler'), world.give('att_2')]).toEqual(['idle', 0, undefined])
  // The room above is told that somebody could be woken, and waits for that.
  expect(world.fleet.asleep('settler')).toBe(1)
  world.fleet.want('settler', 1)
  await world.clock.advance(2_000)
  expect(world.cell().memories.get(agent)).toMatchObject({ seen: 1 })
  expect(world.give('att_2')).toBe(agent)
  expect([...world.cell().runs.values()].map(({ attempt }) => attempt)).toEqual(['att_2'])
  expect(world.lost).toEqual([])
})

test('One that waits for something in its host stays there, and is asked again after as long once more', async () => {
  const world = await open()
  const asked: string[] = []
  world.cells.refusing = (agent) => {
    asked.push(agent)
    return 'conflict'
  }
  const agent = await workOnce(world)
  await world.clock.advance(61_000)
  expect([world.state(agent), asked, world.fleet.freeCount('settler')]).toEqual(['idle', [agent], 1])
  await world.clock.advance(50_000)
  expect(asked).toHaveLength(1)
  world.cells.refusing = null
  await world.clock.advance(12_000)
  expect(states(world)).toEqual({ hibernating: 4 })
})

test('A timer that comes sooner than its sleep would last keeps it awake', async () => {
  const world = await open()
  const agent = await workOnce(world, 'att_1', 90_000)
  await world.clock.advance(61_000)
  expect(world.state(agent)).toBe('idle')
})

test('Its host is killed while it gives the machine away: a loss like any other, and nothing of it is used', async () => {
  const world = await open({ types: [machines({ count: 1 })] })
  world.cells.sleepMs = 500
  const agent = await workOnce(world)
  await world.clock.advance(60_200)
  world.cell().end()
  await world.clock.advance(2_000)
  expect([world.state(agent), world.beds.files.size]).toEqual(['idle', 0])
  expect(world.cell().woken).toEqual([])
  expect(world.fleet.summary().cellsLost).toBe(1)
})

test('A host that is silent when it is asked costs the agent what it knew, which is told; no task waits for it', async () => {
  const world = await open({ types: [machines({ count: 1, heartbeatMs: 30_000 })] })
  const agent = await workOnce(world)
  await world.clock.advance(59_500)
  world.cell().hung = true
  await world.clock.advance(7_000)
  expect(world.record.eventsOf('agent.began-anew')).toMatchObject([{ subject: agent }])
  world.fleet.want('settler', 1)
  await world.clock.advance(200_000)
  expect(world.give('att_2')).toBe(agent)
  expect(world.cells.of(agent).memories.get(agent)).toMatchObject({ seen: 1 })
})

test.each([
  ['is not there', (beds: FakeBeds) => beds.files.clear(), 'not there'],
  [
    'is another',
    (beds: FakeBeds) => beds.files.forEach((_, agent) => beds.files.set(agent, Buffer.from('{}'))),
    'damaged',
  ],
])('It begins anew when its snapshot %s, which is told', async (_what, harm, why) => {
  const world = await open()
  const agent = await laidDown(world)
  harm(world.beds)
  world.fleet.want('settler', 1)
  await world.clock.advance(1_000)
  expect(world.give('att_2')).toBe(agent)
  expect(world.cell().memories.get(agent)).toMatchObject({ seen: 1 })
  expect(world.record.eventsOf('agent.began-anew')).toMatchObject([
    { subject: agent, message: expect.stringContaining(why) as string },
  ])
  expect(world.fleet.summary().restarts).toBe(0)
})

test('Without room nobody loses anything: it goes on, which is told, and no other is asked for a minute', async () => {
  const world = await open()
  world.beds.full = true
  const agent = await workOnce(world)
  await world.clock.advance(63_000)
  expect([world.state(agent), world.cells.of(agent).memories.get(agent)]).toMatchObject(['idle', { seen: 1 }])
  expect(world.record.eventsOf('agent.no-bed')).toHaveLength(1)
  await world.clock.advance(50_000)
  expect(world.record.eventsOf('agent.no-bed')).toHaveLength(1)
  world.beds.full = false
  await world.clock.advance(75_000)
  expect([states(world), world.beds.files.size]).toEqual([{ hibernating: 4 }, 1])
})

test('Work that comes while the file is written wakes it from memory, and leaves no file', async () => {
  const world = await open()
  world.beds.putMs = 5_000
  const agent = await workOnce(world)
  await world.clock.advance(61_000)
  expect([world.state(agent), world.beds.files.size]).toEqual(['hibernating', 0])
  world.fleet.want('settler', 1)
  await world.clock.advance(10_000)
  expect(world.cells.of(agent).memories.get(agent)).toMatchObject({ seen: 1 })
})

test('A killed sitter leaves the beds to the next one, with their timers; one that was given out is nobody’s', async () => {
  const world = await open()
  const agent = await laidDown(world, 7_200_000)
  const again = async (epoch: number): Promise<Dormitory> => {
    world.record.epoch = epoch
    return open({
      clock: world.clock,
      record: world.record,
      beds: world.beds,
      cells: new FakeCells(world.clock),
      epoch,
    })
  }
  await world.clock.advance(3_600_000)
  const next = await again(2)
  await next.clock.advance(7_200_000 - 3_600_000 - 62_000 - 1_000)
  expect(states(next)).toEqual({ hibernating: 4 })
  await next.clock.advance(1_500)
  expect([next.state(agent), next.cells.fired]).toEqual(['idle', [agent]])
  // A copy of the file that comes back, as from a disk that was put back, is in no row.
  world.beds.files.set(agent, Buffer.from(JSON.stringify({ seen: 99, dueInMs: null })))
  const third = await again(3)
  await third.clock.settle()
  expect([[...world.beds.files], states(third)]).toEqual([[], { hibernating: 4 }])
  third.fleet.want('settler', 1)
  await third.clock.advance(300)
  expect(third.cell().woken).toEqual([])
})

test('After a reboot its timer goes by the wall clock, and never later than it was set', async () => {
  const world = await open()
  const agent = await laidDown(world, 7_200_000)
  world.clock.bootId = 'boot-2'
  world.record.epoch = 2
  const { clock, record, beds } = world
  const next = await open({ clock, record, beds, cells: new FakeCells(clock), epoch: 2 })
  await next.clock.advance(7_200_000 - 62_000 - 2_000)
  expect(states(next)).toEqual({ hibernating: 4 })
  await next.clock.advance(4_000)
  expect(next.cells.fired).toEqual([agent])
})

test('A person who stops, quarantines or restarts a sleeper has it begin anew; who is paused in its sleep sleeps on', async () => {
  const by = { actor: 'ann', reason: 'test' }
  for (const order of ['stop', 'quarantine', 'restart', 'pause'] as const) {
    const world = await open({ types: [machines({ count: 1 })] })
    const agent = await laidDownOne(world)
    const ref = [world.ref(agent)]
    if (order === 'restart') await world.fleet.restart(ref, 'ann')
    else await world.fleet.order(order, ref, by)
    await world.clock.settle()
    expect([order, world.beds.files.size]).toEqual([order, order === 'pause' ? 1 : 0])
  }
})
const laidDownOne = async (world: Dormitory): Promise<string> => {
  const agent = await workOnce(world)
  await world.clock.advance(62_000)
  expect(states(world)).toEqual({ hibernating: 1 })
  return agent
}

test('Paused while it falls asleep it is given back to its host, and goes on from there', async () => {
  const world = await open({ types: [machines({ count: 1 })] })
  world.cells.sleepMs = 500
  const agent = await workOnce(world)
  await world.clock.advance(60_200)
  await world.fleet.order('pause', [world.ref(agent)], { actor: 'ann', reason: 'test' })
  await world.clock.advance(20_000)
  expect([world.state(agent), world.cell().memories.get(agent), world.beds.files.size]).toMatchObject([
    'paused',
    { seen: 1 },
    0,
  ])
  await world.fleet.order('resume', [world.ref(agent)], { actor: 'ann', reason: 'test' })
  expect(world.give('att_2')).toBe(agent)
  expect(world.fleet.summary().restarts).toBe(0)
})

test('A type that may not sleep any more keeps awake whoever was falling asleep, and wakes the others as they were', async () => {
  const world = await open({ types: [machines({ count: 2 })] })
  world.fleet.want('settler', 2)
  await world.clock.advance(300)
  const [one, other] = [world.give('att_1')!, world.give('att_2')!]
  world.fleet.want('settler', 0)
  await world.cell().finish(one)
  await world.clock.advance(30_000)
  await world.cell().finish(other)
  await world.clock.advance(40_000)
  expect([world.state(one), world.state(other)]).toEqual(['hibernating', 'idle'])
  world.cells.sleepMs = 500
  await world.clock.advance(20_200)
  const { hibernate: _, ...awake } = machines({ count: 2 })
  await world.fleet.reconfigure({ settler: awake }, 'ann')
  await world.clock.advance(10_000)
  expect(states(world)).toEqual({ idle: 2 })
  for (const agent of [one, other]) expect(world.cell().memories.get(agent)).toMatchObject({ seen: 1 })
  expect([world.fleet.freeCount('settler'), world.beds.files.size]).toEqual([2, 0])
})

test('Agents whose times come together are woken at the host’s pace', async () => {
  const world = await open({ types: [machines({ count: 400, perCell: 100 })] })
  world.fleet.want('settler', 400)
  await world.clock.advance(10_000)
  for (const cell of world.cells.living)
    for (const agent of cell.seats.keys())
      cell.memories.set(agent, { seen: 1, timerMs: world.clock.monoMs() + 600_000 })
  world.fleet.want('settler', 0)
  await world.clock.advance(120_000)
  expect([states(world), world.beds.files.size]).toEqual([{ hibernating: 400 }, 400])
  await world.clock.advance(480_500)
  const awake = 400 - (states(world)['hibernating'] ?? 0)
  expect(awake).toBeGreaterThan(100)
  expect(awake).toBeLessThan(260)
  await world.clock.advance(5_000)
  expect([states(world)['idle'], new Set(world.cells.fired).size]).toEqual([400, 400])
})
