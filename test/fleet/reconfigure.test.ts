/** Other agent types for a fleet that runs: who starts, who goes, who begins anew, and that nothing is lost on the way. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { housingOf, type Machine } from '../../src/cell/cell.ts'
import type { AgentType } from '../../src/model/model.ts'
import { agentType, openWorld, type World } from './world.ts'

const typesOf = (types: readonly AgentType[]): Record<string, AgentType> =>
  Object.fromEntries(types.map((type) => [type.name, type]))
const change = async (world: World, ...types: readonly AgentType[]): Promise<void> => {
  await world.fleet.reconfigure(typesOf(types), 'token:ada')
  await world.clock.settle()
}
const ready = async (ask: Parameters<typeof openWorld>[0] = {}): Promise<World> => {
  const world = await openWorld(ask)
  await world.clock.advance(2_000)
  return world
}
const ids = (world: World): readonly string[] => world.fleet.list().map(({ id }) => id)
const pids = (world: World): Record<string, number | undefined> =>
  Object.fromEntries(world.fleet.list().map(({ id, cell }) => [id, cell?.pid]))
const modulesOf = (world: World): readonly unknown[] => [...world.cells.living].map(({ plan }) => plan.run.module)

test('more agents fill the last cell first, and start in waves; those that are there are not touched', async () => {
  const world = await ready({ types: [agentType({ count: 7 })] })
  const before = pids(world)
  await change(world, agentType({ count: 30 }))
  await world.clock.advance(2_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 30 })
  expect(pids(world)).toMatchObject(before)
  expect(world.cells.of('settler/0008').plan.id).toBe(world.cells.of('settler/0006').plan.id)
  expect(world.cells.mostStarting).toBeLessThanOrEqual(4)
  expect(world.cells.living.size).toBe(6)
})

test('fewer agents: the idle ones go at once, a busy one when it has finished, and its cell ends as no loss', async () => {
  const world = await ready({ types: [agentType({ count: 10 })] })
  const given = Array.from({ length: 10 }, (_, index) => world.give(`att_${index}`)!)
  for (const agent of given.filter((id) => id !== 'settler/0009')) await world.cells.of(agent).finish(agent)
  const busy = world.cells.of('settler/0009')
  await change(world, agentType({ count: 3 }))
  await world.clock.advance(1_000)
  expect(ids(world)).toEqual(['settler/0001', 'settler/0002', 'settler/0003', 'settler/0009'])
  expect(world.fleet.view(world.ref('settler/0009'))).toMatchObject({
    state: 'busy',
    reason: 'no longer in the configuration (token:ada)',
    exit: { kind: 'event' },
  })
  expect(world.fleet.freeCount('settler')).toBe(3)
  await busy.finish('settler/0009')
  await world.clock.settle()
  expect(world.fleet.freeCount('settler')).toBe(3)
  await world.clock.advance(3_000)
  expect(ids(world)).toHaveLength(3)
  expect(busy.drained && busy.ended).toBe(true)
  expect(world.lost).toEqual([])
  expect(world.record.eventsOf('cell.lost')).toEqual([])
  expect(world.record.agents.get('settler/0009')).toMatchObject({ state: 'stopped', cell: null })
  expect([...world.gate.values()].flat()).not.toContain('settler/0009')
})

test('what is not finished in time is given back without cost; a late word of it is refused', async () => {
  const world = await ready({ types: [agentType({ count: 2, perCell: 2 })] })
  world.give('att_1')
  const agent = world.give('att_2')!
  const cell = world.cells.of(agent)
  await change(world, agentType({ count: 1, perCell: 2 }))
  await world.clock.advance(31_000)
  expect(world.lost).toMatchObject([{ attempt: 'att_2', agent, collateral: true }])
  expect(ids(world)).toEqual(['settler/0001'])
  expect((await cell.say('done', { agent, attempt: 'att_2' })).error).toMatchObject({ code: 'not-your-agent' })
  expect(cell.ended).toBe(false)
})

test('who is wanted again before it has gone stays as it is; who has gone comes back under a higher epoch', async () => {
  const world = await ready({ types: [agentType({ count: 2, perCell: 1 })] })
  world.give('att_1')
  const agent = world.give('att_2')!
  const [{ pid }] = [world.fleet.view(world.ref(agent))!.cell!]
  await change(world, agentType({ count: 1, perCell: 1 }))
  await world.clock.advance(1_000)
  await change(world, agentType({ count: 2, perCell: 1 }))
  await world.cells.of(agent).finish(agent)
  await world.clock.advance(40_000)
  expect(world.fleet.view(world.ref(agent))).toMatchObject({ state: 'idle', reason: null, cell: { pid }, epoch: 1 })
  await change(world, agentType({ count: 1, perCell: 1 }))
  await world.clock.advance(5_000)
  await change(world, agentType({ count: 2, perCell: 1 }))
  await world.clock.advance(5_000)
  expect(world.fleet.view(world.ref(agent))).toMatchObject({ state: 'idle', epoch: 2 })
})

test('the cell of a leaving agent dies under it: its attempt is lost, it is gone, and nothing is started for it', async () => {
  const world = await ready({ types: [agentType({ count: 2, perCell: 1 })] })
  world.give('att_1')
  const agent = world.give('att_2')!
  await change(world, agentType({ count: 1, perCell: 1 }))
  world.cells.of(agent).end()
  await world.clock.advance(60_000)
  expect(world.lost).toMatchObject([{ attempt: 'att_2' }])
  expect(ids(world)).toEqual(['settler/0001'])
  expect(world.cells.living.size).toBe(1)
})

test('a type comes and goes; its agents are free for work in between', async () => {
  const world = await ready()
  const reader = agentType({ name: 'reader', count: 3 })
  await change(world, agentType(), reader)
  await world.clock.advance(1_000)
  expect(world.give('att_1', 'reader')).toBe('reader/0001')
  expect(world.freed).toContain('reader')
  await world.cells.of('reader/0001').finish('reader/0001')
  await change(world, agentType())
  await world.clock.advance(3_000)
  expect(world.fleet.summary()).toMatchObject({ agents: 10, byState: { idle: 10 } })
  expect(world.fleet.freeCount('reader')).toBe(0)
  expect(world.give('att_2', 'reader')).toBeUndefined()
})

test('another policy, patience and upstreams hold at once, in the same processes', async () => {
  const world = await ready({ types: [agentType({ count: 5 })] })
  const before = pids(world)
  const { restart } = agentType()
  const next = agentType({ count: 5, heartbeatMs: 100, upstreams: ['southbank'], restart: { ...restart, max: 1 } })
  await change(world, next)
  expect(pids(world)).toEqual(before)
  world.cells.of('settler/0001').hung = true
  await world.clock.advance(500)
  expect(world.record.eventsOf('cell.lost')).toHaveLength(1)
  await world.clock.advance(1_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 5 })
})

test('another program: a part begins anew at a time, and the next when that one works', async () => {
  const world = await ready({ types: [agentType({ count: 40 })] })
  world.cells.startMs = 1_000
  await change(world, agentType({ count: 40, run: { module: '/agents/new.ts' } }))
  let fewest = 40
  for (let step = 0; step < 200; step += 1) {
    await world.clock.advance(100)
    fewest = Math.min(fewest, world.fleet.freeCount('settler'))
  }
  expect(fewest).toBe(30)
  expect(world.fleet.summary().byState).toEqual({ idle: 40 })
  expect(new Set(modulesOf(world))).toEqual(new Set(['/agents/new.ts']))
  expect(world.record.eventsOf('cell.lost')).toEqual([])
  expect(world.record.eventsOf('config.taken')).toMatchObject([{ facts: { count: 40 } }])
})

test('who begins anew finishes first, gets nothing new meanwhile, and never lives in two processes', async () => {
  const world = await ready({ types: [agentType({ count: 2, perCell: 2 })] })
  const first = world.give('att_1')!
  const cell = world.cells.of(first)
  await change(world, agentType({ count: 2, perCell: 2, memoryBytes: 64_000_000 }))
  await world.clock.advance(5_000)
  expect([world.fleet.freeCount('settler'), world.give('att_2'), cell.ended]).toEqual([0, undefined, false])
  cell.immortal = true
  await cell.finish(first)
  await world.clock.settle()
  expect(world.fleet.freeCount('settler')).toBe(0)
  await world.clock.advance(1_000)
  expect(cell.drained).toBe(true)
  // A person is impatient; the old process is still there.
  await world.fleet.restart([world.ref(first)], 'token:ada')
  await world.clock.advance(2_000)
  expect(world.cells.all).toHaveLength(1)
  cell.immortal = false
  cell.kill('at last')
  await world.clock.advance(1_000)
  expect(world.cells.all.map(({ plan }) => plan.memoryMb)).toEqual([256, 64])
  expect([world.fleet.summary().byState, world.lost]).toEqual([{ idle: 2 }, []])
})

test('a program that does not start stops at its part; going back renews that part only', async () => {
  const world = await ready({ types: [agentType({ count: 40 })] })
  world.cells.failing = ({ run }) => (run.module === '/agents/bad.ts' ? 'it is broken' : null)
  const before = pids(world)
  await change(world, agentType({ count: 40, run: { module: '/agents/bad.ts' } }))
  await world.clock.advance(120_000)
  expect(world.fleet.freeCount('settler')).toBe(30)
  expect(world.record.eventsOf('config.waits')).toHaveLength(1)
  await change(world, agentType({ count: 40 }))
  await world.clock.advance(30_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 40 })
  const same = Object.entries(pids(world)).filter(([agent, pid]) => before[agent] === pid)
  expect(same).toHaveLength(30)
})

test('another way to share cells: all of the type begin anew, in as many cells as are wanted', async () => {
  const world = await ready({ types: [agentType({ count: 10 })] })
  await change(world, agentType({ count: 10, perCell: 2 }))
  await world.clock.advance(10_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 10 })
  expect(world.cells.living.size).toBe(5)
  await change(world, agentType({ count: 10, perCell: 100 }))
  await world.clock.advance(10_000)
  expect(world.cells.living.size).toBe(1)
})

test('a fleet that stops takes nothing over', async () => {
  const world = await ready()
  const stopping = world.fleet.stop(1_000)
  await expect(world.fleet.reconfigure({}, 'token:ada')).rejects.toMatchObject({ code: 'conflict' })
  await world.clock.advance(10_000)
  await stopping
})

const wanted = fc.record({
  count: fc.integer({ min: 0, max: 9 }),
  perCell: fc.constantFrom(1, 3),
  module: fc.constantFrom('/a.ts', '/b.ts'),
  max: fc.constantFrom(3, 9),
})
const step = fc.oneof(
  fc.record({ kind: fc.constant('change' as const), settler: fc.option(wanted), reader: fc.option(wanted) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 50, 150, 1_000, 31_000) }),
  fc.record({ kind: fc.constant('give' as const) }),
  fc.record({ kind: fc.constant('finish' as const), nth: fc.nat() }),
  fc.record({ kind: fc.constant('kill' as const), nth: fc.nat() }),
  fc.record({ kind: fc.constant('restart' as const), nth: fc.nat() }),
)

test('whatever is changed, killed and worked in between: in the end there are exactly the agents that are wanted, by the newest settings', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const world = await ready({ types: [agentType({ count: 4, perCell: 3 })] })
      let types = [agentType({ count: 4, perCell: 3 })]
      let attempts = 0
      const given: string[] = []
      for (const one of steps) {
        if (one.kind === 'pass') await world.clock.advance(one.ms)
        else if (one.kind === 'give') {
          for (const { name } of types) if (world.give(`att_${attempts}`, name)) given.push(`att_${attempts++}`)
        } else if (one.kind === 'change') {
          types = (['settler', 'reader'] as const).flatMap((name) => {
            const like = one[name]
            if (like === null) return []
            const { count, perCell, module, max } = like
            return [agentType({ name, count, perCell, run: { module }, restart: { ...agentType().restart, max } })]
          })
          await change(world, ...types)
        } else if (one.kind === 'restart') {
          const list = world.fleet.list()
          if (list.length > 0) await world.fleet.restart([list[one.nth % list.length]!], 'token:ada')
        } else {
          const cells = [...world.cells.living]
          const cell = cells[one.nth % Math.max(1, cells.length)]
          if (one.kind === 'kill') cell?.end()
          else for (const agent of cell?.runs.keys() ?? []) await cell!.finish(agent)
        }
      }
      for (let round = 0; round < 40; round += 1) {
        await world.clock.advance(20_000)
        for (const cell of world.cells.living) for (const agent of cell.runs.keys()) await cell.finish(agent)
        const waiting = world.fleet.list().filter(({ state }) => state === 'quarantined')
        if (waiting.length > 0) await world.fleet.unquarantine(waiting, 'token:ada')
      }
      await world.clock.advance(20_000)
      const all = types.flatMap(({ name, count }) =>
        Array.from({ length: count }, (_, index) => `${name}/${String(index + 1).padStart(4, '0')}`),
      )
      expect(ids(world).toSorted()).toEqual(all.toSorted())
      for (const agent of world.fleet.list()) expect([agent.id, agent.state]).toEqual([agent.id, 'idle'])
      const seats = [...world.cells.living].flatMap((cell) =>
        [...cell.seats.keys()].map((agent) => `${agent} ${cell.plan.run.module}`),
      )
      const modules = new Map(types.map(({ name, run }) => [name, run.module]))
      expect(seats.toSorted()).toEqual(all.map((id) => `${id} ${modules.get(id.split('/')[0]!)}`).toSorted())
      expect(new Set(world.lost.map(({ attempt }) => attempt)).size).toBe(world.lost.length)
      expect(world.lines.filter(({ level }) => level === 'error')).toEqual([])
      expect(given.length).toBe(attempts)
    }),
    { numRuns: 60 },
  )
}, 60_000)

test('what the machine makes of a cell follows the configuration: refused, then weaker and told, then as it was asked for', async () => {
  const program = (cell: AgentType['cell']): AgentType =>
    agentType({ name: 'teller', count: 1, run: { command: ['teller'], directory: '/' }, perCell: 1, cell })
  const settler = agentType({ count: 2 })
  const noWalls = { namespaces: 'no bubblewrap', filter: 'no bubblewrap' }
  const abilities = Object.fromEntries(
    ['namespaces', 'filter', 'process-user', 'limits', 'disk', 'files', 'group-kill'].map((name) => [
      name,
      name in noWalls ? { verdict: 'absent', says: 'no bubblewrap' } : { verdict: 'enforced', says: 'it does' },
    ]),
  ) as unknown as Machine['abilities']
  const world = await ready({ types: [settler], housing: (type) => housingOf(type, { abilities }) })
  const kinds = (): readonly string[] =>
    [...world.cells.living].filter(({ plan }) => plan.agentType === 'teller').map(({ plan }) => plan.kind)

  await change(world, settler, program({ kind: 'sandbox', orWeaker: false }))
  await world.clock.advance(1_000)
  expect(kinds()).toEqual([])
  expect(world.fleet.view(world.ref('teller/0001'))).toMatchObject({
    housing: { requested: 'sandbox', effective: null },
    reason: expect.stringContaining('no bubblewrap'),
  })
  await change(world, agentType({ count: 3 }), program({ kind: 'sandbox', orWeaker: false }))
  expect(world.record.eventsOf('cell.refused')).toHaveLength(1)

  await change(world, settler, program({ kind: 'sandbox', orWeaker: true }))
  await world.clock.advance(3_000)
  expect(kinds()).toEqual(['process'])
  expect(world.fleet.view(world.ref('teller/0001'))).toMatchObject({ state: 'idle', cell: { kind: 'process' } })
  expect(world.record.eventsOf('cell.weaker').map(({ subject }) => subject)).toEqual(['settler', 'teller'])

  await change(world, settler, program({ kind: 'process', orWeaker: false }))
  await world.clock.advance(3_000)
  expect(world.fleet.view(world.ref('teller/0001'))).toMatchObject({
    state: 'idle',
    housing: { requested: 'process', effective: 'process', weaker: [] },
  })
})

test('who was stopped, paused or quarantined by a person stays so when its type begins anew', async () => {
  const world = await ready()
  const by = { actor: 'token:ada', reason: 'looking into it' }
  await world.fleet.order('stop', [world.ref('settler/0001')], by)
  await world.fleet.order('pause', [world.ref('settler/0002')], by)
  await world.fleet.order('quarantine', [world.ref('settler/0003')], by)
  await change(world, agentType({ memoryBytes: 512_000_000 }))
  await world.clock.advance(60_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 7, stopped: 1, paused: 1, quarantined: 1 })
  await world.fleet.order('resume', [world.ref('settler/0002')], by)
  await world.clock.advance(2_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 8, stopped: 1, quarantined: 1 })
})
