/** What happens to agents and cells: evidence, losses, restarts, quarantines, and what the next sitter finds. */
import { expect, test } from 'vitest'
import { VirtualClock } from './clock.ts'
import { agentType, openWorld, type World } from './world.ts'

const ready = async (ask: Parameters<typeof openWorld>[0] = {}): Promise<World> => {
  const world = await openWorld(ask)
  await world.clock.advance(1_000)
  return world
}
const states = (world: World): Record<string, number> => ({ ...world.fleet.summary().byState })

test('an agent that its cell does not list in time is lost, the others work', async () => {
  const world = await openWorld()
  await world.clock.advance(50)
  for (const cell of world.cells.all) cell.hidden.add('settler/0002')
  await world.clock.advance(5_000)
  expect(world.state('settler/0002')).toBe('starting')
  expect(world.fleet.view(world.ref('settler/0002'))!.exit).toMatchObject({ kind: 'time' })
  expect(world.fleet.freeCount('settler')).toBe(9)
  await world.clock.advance(6_000)
  expect(world.record.eventsOf('agent.lost')[0]!.subject).toBe('settler/0002')
  for (const cell of world.cells.all) cell.hidden.clear()
  await world.clock.advance(3_000)
  expect(states(world)).toEqual({ idle: 10 })
  expect(world.fleet.view(world.ref('settler/0002'))).toMatchObject({ epoch: 2, restarts: 1 })
})

test('the death of a cell brings its agents back with a new epoch and leaves other cells alone', async () => {
  const world = await ready()
  const [first, second] = [...world.cells.living]
  const pid = second!.identity.pid
  first!.end()
  await world.clock.advance(0)
  expect(states(world)).toEqual({ idle: 5, starting: 5 })
  await world.clock.advance(150)
  expect(states(world)).toEqual({ idle: 10 })
  expect([...world.cells.living].some((cell) => cell.identity.pid === pid)).toBe(true)
  expect(world.fleet.view(world.ref('settler/0001'))).toMatchObject({ epoch: 2, restarts: 1 })
  expect(world.fleet.view(world.ref('settler/0010'))).toMatchObject({ epoch: 1, restarts: 0 })
  const [event] = world.record.eventsOf('cell.lost')
  expect(event).toMatchObject({
    subject: first!.id,
    facts: { cause: 'killed', agents: 'settler/0001-0005', count: 5, blamed: [] },
  })
  expect(world.record.eventsOf('agent.restarted')).toMatchObject([{ facts: { agents: 'settler/0001-0005' } }])
  expect(world.fleet.view(world.ref('settler/0001'))!.lastCells).toContain(first!.id)
  expect(world.gate.has(first!.id)).toBe(false)
})

test('a dead cell charges nobody when several were at work, and their attempts cost nothing', async () => {
  const world = await ready({ types: [agentType({ perCell: 10 })] })
  const agents = [world.give('att_1')!, world.give('att_2')!]
  world.cells.of(agents[0]!).end()
  await world.clock.advance(0)
  expect(world.lost.map(({ attempt, collateral }) => [attempt, collateral])).toEqual([
    ['att_1', true],
    ['att_2', true],
  ])
  expect(JSON.parse(world.record.agents.get(agents[0]!)!.policy)).toMatchObject({ policy: { losses: [] } })
})

test('a dead cell charges the only agent at work, and it alone waits', async () => {
  const world = await ready({ types: [agentType({ perCell: 10 })] })
  const agent = world.give('att_1')!
  world.cells.of(agent).end()
  await world.clock.advance(0)
  expect(world.lost).toMatchObject([{ attempt: 'att_1', agent, collateral: false }])
  expect(world.state(agent)).toBe('backoff')
  expect(states(world)).toEqual({ backoff: 1, starting: 9 })
  await world.clock.advance(3_000)
  expect(states(world)).toEqual({ idle: 10 })
})

test('an agent that is broken is lost alone; its cell and its mates go on', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  await cell.say('agent.broken', { agent, error: { name: 'TypeError', message: 'x is not a function' } })
  await world.clock.settle()
  expect(world.state(agent)).toBe('backoff')
  expect(world.lost).toMatchObject([
    { attempt: 'att_1', collateral: false, cause: expect.stringContaining('x is not a function') },
  ])
  expect(cell.ended).toBe(false)
  expect(states(world)).toEqual({ backoff: 1, idle: 9 })
  await world.clock.advance(2_000)
  expect(states(world)).toEqual({ idle: 10 })
  expect(cell.seats.get(agent)!.epoch).toBe(2)
})

test('an agent that breaks again and again is quarantined with a probe, and its mates never notice', async () => {
  const world = await ready({
    types: [agentType({ restart: { type: 'permanent', max: 3, withinMs: 600_000, baseMs: 100, capMs: 1_000 } })],
  })
  const broken = 'settler/0003'
  for (let round = 0; round < 4; round += 1) {
    await world.cells.of(broken).say('agent.broken', { agent: broken, error: { name: 'Error', message: 'again' } })
    await world.clock.advance(4_000)
  }
  const view = world.fleet.view(world.ref(broken))!
  expect(view.state).toBe('quarantined')
  expect(view.exit!.kind).toBe('time')
  expect(view.exit!.at! - world.clock.wallMs()).toBeGreaterThan(9 * 60_000)
  expect(world.record.eventsOf('agent.quarantined')).toMatchObject([
    { level: 'error', subject: broken, facts: { max: 3, cause: expect.stringContaining('again') } },
  ])
  expect(world.cells.all.length).toBe(2)
  expect(states(world)).toEqual({ idle: 9, quarantined: 1 })

  // The probe comes by itself; work that it finishes ends the matter.
  await world.clock.advance(12 * 60_000)
  expect(world.state(broken)).toBe('idle')
  for (let round = 0; world.give(`att_${round}`) !== broken; round += 1) {
    /* until it is its turn */
  }
  await world.cells.of(broken).finish(broken)
  await world.cells.of(broken).say('agent.broken', { agent: broken, error: { name: 'Error', message: 'once more' } })
  await world.clock.settle()
  expect(world.state(broken)).toBe('backoff')
})

test('a cell that keeps dying before it is ready is quarantined with its agents, and released when its probe works', async () => {
  const world = await ready({
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 3, withinMs: 600_000, baseMs: 100, capMs: 1_000 } }),
    ],
  })
  world.cells.startMs = 6_000
  for (let round = 0; round < 4; round += 1) {
    for (const cell of world.cells.living) cell.end('exit', 'exit code 1')
    await world.clock.advance(2_000)
  }
  world.cells.startMs = 100
  expect(states(world)).toEqual({ quarantined: 5 })
  expect(world.cells.all.length).toBe(4)
  expect(world.record.eventsOf('agent.quarantined')).toMatchObject([
    { facts: { agents: 'settler/0001-0005', count: 5 } },
  ])
  for (const agent of world.fleet.list()) expect(agent.exit).toMatchObject({ kind: 'time', at: expect.any(Number) })

  await world.clock.advance(11 * 60_000)
  expect(world.cells.all.length).toBe(5)
  expect([...world.cells.living][0]!.seats.size).toBeGreaterThanOrEqual(1)
  await world.clock.advance(60_000)
  expect(states(world)).toEqual({ idle: 5 })
  expect(world.record.eventsOf('agent.probed').length).toBe(1)
  expect(world.record.eventsOf('agent.released')).toMatchObject([{ facts: { by: 'probe', count: 4 } }])
})

test('a probe whose cell dies puts the whole group back, for longer', async () => {
  const world = await ready({
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 100, capMs: 1_000 } }),
    ],
  })
  world.cells.startMs = 6_000
  for (let round = 0; round < 2; round += 1) {
    for (const cell of world.cells.living) cell.end()
    await world.clock.advance(2_000)
  }
  world.cells.startMs = 100
  expect(states(world)).toEqual({ quarantined: 5 })
  await world.clock.advance(world.fleet.list()[0]!.exit!.at! - world.clock.wallMs() + 150)
  world.give('att_probe')
  for (const cell of world.cells.living) cell.end()
  await world.clock.settle()
  expect(states(world)).toEqual({ quarantined: 5 })
  expect(world.lost).toMatchObject([{ attempt: 'att_probe', collateral: true }])
  const at = world.fleet.list()[0]!.exit!.at!
  expect(at - world.clock.wallMs()).toBeGreaterThan(19 * 60_000)
})

test('whoever was about to join a cell waits with the others when it is quarantined', async () => {
  const world = await ready({
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 5_000, capMs: 5_000 } }),
    ],
  })
  await world.cells
    .of('settler/0001')
    .say('agent.broken', { agent: 'settler/0001', error: { name: 'E', message: 'm' } })
  await world.clock.advance(2_500)
  world.cells.startMs = 6_000
  for (const cell of world.cells.living) cell.end()
  await world.clock.advance(3_000)
  expect(states(world)).toEqual({ starting: 5 })
  for (const cell of world.cells.living) cell.end()
  await world.clock.settle()
  expect(states(world)).toEqual({ quarantined: 5 })
})

test('deaths that an agent is charged with do not count against its cell', async () => {
  const world = await ready({
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 2, withinMs: 600_000, baseMs: 100, capMs: 1_000 } }),
    ],
  })
  for (let round = 0; round < 5; round += 1) {
    const agent = world.give(`att_${round}`)!
    world.cells.of(agent).end()
    await world.clock.advance(5_000)
  }
  expect(new Set(world.lost.map((one) => one.agent)).size).toBe(5)
  expect(states(world)).toEqual({ idle: 5 })
})

test('a hung cell is suspect after two beats, killed at the third, and its agents work again', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const [hung, other] = [world.cells.of(agent), [...world.cells.living].find((cell) => !cell.seats.has(agent))!]
  hung.hung = true
  const fromMs = world.clock.monoMs()
  while (!hung.ended) await world.clock.advance(100)
  expect(world.clock.monoMs() - fromMs).toBeLessThanOrEqual(3 * 5_000)
  expect(world.record.eventsOf('cell.silent')).toMatchObject([{ subject: hung.id, facts: { beats: 2, exists: true } }])
  expect(world.record.eventsOf('cell.lost')).toMatchObject([
    { facts: { killedFor: expect.stringContaining('silent for 3 beats') } },
  ])
  expect(world.lost).toMatchObject([{ attempt: 'att_1', collateral: false }])
  await world.clock.advance(3_000)
  expect(states(world)).toEqual({ idle: 10 })
  expect(other.ended).toBe(false)
  expect(world.record.eventsOf('cell.silent').length).toBe(1)
})

test('agents of a suspect cell get no work until it answers; then they are what they were', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  cell.hung = true
  while (world.state(agent) !== 'suspect') await world.clock.advance(100)
  expect(world.fleet.freeCount('settler')).toBe(5)
  expect(world.fleet.view(world.ref(agent))!.evidence).toMatchObject([
    { fact: 'exists', value: 'yes' },
    { fact: 'responds', value: 'no' },
    { fact: 'progresses' },
    { fact: 'useful', value: 'unknown' },
  ])
  cell.hung = false
  await world.clock.advance(5_000)
  expect(world.state(agent)).toBe('busy')
  expect(world.fleet.freeCount('settler')).toBe(9)
  expect(cell.ended).toBe(false)
})

test("a machine that stood still kills no cell: late beats are the sitter's own fault", async () => {
  const world = await ready()
  for (const cell of world.cells.living) cell.hung = true
  for (let round = 0; round < 5; round += 1) await world.clock.sleepThrough(60_000)
  for (const cell of world.cells.living) cell.hung = false
  await world.clock.advance(10_000)
  expect(states(world)).toEqual({ idle: 10 })
  expect(world.cells.all.length).toBe(2)
})

test('an agent that vanished from its cell is lost and seated again; one that nobody knows is unseated', async () => {
  const world = await ready()
  const cell = world.cells.of('settler/0001')
  cell.seats.delete('settler/0001')
  cell.seats.set('settler/0077', { agent: 'settler/0077', epoch: 1, mode: 'active', config: {} })
  await world.clock.advance(8_000)
  expect(cell.seats.has('settler/0077')).toBe(false)
  expect(world.record.eventsOf('agent.lost')).toMatchObject([
    { subject: 'settler/0001', facts: { cause: expect.stringContaining('does not list it') } },
  ])
  expect(states(world)).toEqual({ idle: 10 })
  expect(cell.seats.get('settler/0001')!.epoch).toBe(2)
})

test('cells start in waves, and a failing start is a loss of the cell, not of its agents', async () => {
  const cells = await openWorld({ types: [agentType({ count: 100 })], startingAtOnce: 3 })
  await cells.clock.advance(100)
  expect(cells.cells.mostStarting).toBe(3)
  await cells.clock.advance(2_000)
  expect(states(cells)).toEqual({ idle: 100 })
  expect(cells.cells.mostStarting).toBe(3)

  const clock = new VirtualClock()
  const failing = await openWorld({
    clock,
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 2, withinMs: 600_000, baseMs: 100, capMs: 1_000 } }),
    ],
  })
  for (const cell of failing.cells.living) cell.end()
  failing.cells.failing = () => 'cannot find module'
  await clock.advance(10_000)
  expect(states(failing)).toEqual({ quarantined: 5 })
  expect(failing.record.eventsOf('cell.lost').at(-1)!.facts).toMatchObject({
    cause: 'start-failed',
    detail: 'cannot find module',
  })
})

test('nothing replaces a cell that was killed and is not gone', async () => {
  const world = await ready()
  const cell = world.cells.of('settler/0001')
  cell.immortal = true
  cell.hung = true
  await world.clock.advance(60_000)
  expect(world.cells.all.length).toBe(2)
  expect(world.record.eventsOf('cell.outlived').length).toBeGreaterThan(1)
  expect(world.fleet.freeCount('settler')).toBe(5)
  cell.immortal = false
  await world.clock.advance(6_000)
  expect(states(world)).toEqual({ idle: 10 })
})

test('the next sitter resumes a quarantine, for no longer than before, and starts everything else', async () => {
  const before = await ready({
    types: [agentType({ restart: { type: 'permanent', max: 0, withinMs: 600_000, baseMs: 100, capMs: 1_000 } })],
  })
  await before.cells
    .of('settler/0002')
    .say('agent.broken', { agent: 'settler/0002', error: { name: 'E', message: 'm' } })
  await before.clock.advance(1_000)
  expect(before.state('settler/0002')).toBe('quarantined')
  const probeAt = before.fleet.view(before.ref('settler/0002'))!.exit!.at!

  before.record.epoch = 2
  const after = await openWorld({ clock: before.clock, record: before.record, epoch: 2 })
  await after.clock.advance(1_000)
  expect(states(after)).toEqual({ idle: 9, quarantined: 1 })
  expect(after.fleet.view(after.ref('settler/0002'))!.exit!.at).toBe(probeAt)
  expect(after.fleet.view(after.ref('settler/0001'))).toMatchObject({ epoch: 2, restarts: 0 })
  await after.clock.advance(11.5 * 60_000)
  expect(states(after)).toEqual({ idle: 10 })
})

test('a sitter that is not the newest any more kills its cells and starts nothing', async () => {
  const world = await ready()
  world.record.epoch = 2
  world.cells.of('settler/0001').end()
  await world.clock.advance(60_000)
  expect(world.deposed.length).toBe(1)
  expect(world.cells.living.size).toBe(0)
  expect(world.fleet.take('settler', 10)).toEqual([])
  expect(world.cells.all.length).toBe(2)
})

test('a restart is audited with its actor, costs the attempt nothing and gives a new epoch', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  await world.fleet.restart([world.ref(agent)], 'operator:ada')
  expect(world.record.audit).toMatchObject([
    { actor: 'operator:ada', action: 'agent.restart', object: agent, decision: 'done' },
  ])
  expect(world.lost).toMatchObject([{ attempt: 'att_1', collateral: true, cause: 'restarted by operator:ada' }])
  await world.clock.advance(1_000)
  expect(world.fleet.view(world.ref(agent))).toMatchObject({ state: 'idle', epoch: 2 })
  expect(world.cells.all.length).toBe(2)
  await expect(world.fleet.restart([{ type: 'settler', number: 99 }], 'x')).rejects.toMatchObject({ code: 'not-found' })
})

test('a release ends a quarantine at once, and is refused where nothing is quarantined', async () => {
  const world = await ready({
    types: [agentType({ restart: { type: 'permanent', max: 0, withinMs: 600_000, baseMs: 100, capMs: 1_000 } })],
  })
  const agent = 'settler/0004'
  await world.cells.of(agent).say('agent.broken', { agent, error: { name: 'E', message: 'm' } })
  await world.clock.advance(1_000)
  await world.fleet.unquarantine([world.ref(agent)], 'operator:ada')
  await world.clock.advance(1_000)
  expect(world.state(agent)).toBe('idle')
  expect(world.record.audit).toMatchObject([{ actor: 'operator:ada', action: 'agent.release', object: agent }])
  await expect(world.fleet.unquarantine([world.ref(agent)], 'operator:ada')).rejects.toMatchObject({ code: 'conflict' })
})

/** Ten deaths of a cell, with finished work before each. */
const tenDeaths = async (each: (world: World) => void): Promise<World> => {
  const world = await ready({ types: [agentType({ perCell: 10 })], oomKills: 7 })
  for (let round = 0; round < 10; round += 1) {
    const agent = world.give(`att_${round}`)
    if (agent === undefined) break
    void world.cells.of(agent).finish(agent, 'done')
    await world.clock.advance(10)
    each(world)
    world.cells.of(agent).end()
    await world.clock.advance(5_000)
  }
  return world
}

test('a cell that somebody outside kills again and again, working in between, is neither quarantined nor parted', async () => {
  const world = await tenDeaths(({ oomKills }) => expect(oomKills).toBe(7))
  expect(states(world)).toEqual({ idle: 10 })
  expect(world.fleet.summary().cells).toBe(1)
  expect(world.record.eventsOf('cell.parted')).toEqual([])
})

test('the same deaths are its own when the kernel killed for memory meanwhile, and its agents are parted', async () => {
  const world = await tenDeaths((one) => {
    one.oomKills = (one.oomKills ?? 0) + 1
  })
  expect(world.record.eventsOf('cell.parted')[0]).toMatchObject({ facts: { named: false, count: 10 } })
  expect(world.record.eventsOf('agent.quarantined')).toEqual([])
})
