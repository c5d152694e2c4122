import { expect, test } from 'vitest'
import { Failure } from '../../src/std/std.ts'
import { agentType, openWorld, VirtualClock, type World } from './world.ts'

const ready = async (ask: Parameters<typeof openWorld>[0] = {}): Promise<World> => {
  const world = await openWorld(ask)
  await world.clock.advance(1_000)
  return world
}
const states = (world: World): Record<string, number> => ({ ...world.fleet.summary().byState })

test('agents are free only when their cell itself lists them, and free agents are told of once', async () => {
  const world = await openWorld()
  expect(world.fleet.freeCount('settler')).toBe(0)
  expect(states(world)).toEqual({ starting: 10 })
  await world.clock.advance(99)
  expect(world.fleet.freeCount('settler')).toBe(0)
  await world.clock.advance(1)
  expect(states(world)).toEqual({ idle: 10 })
  expect(world.fleet.freeCount('settler')).toBe(10)
  expect(world.freed.length).toBeLessThanOrEqual(2)
  expect(world.record.agents.get('settler/0010')).toMatchObject({ state: 'idle', epoch: 1 })
  expect([...world.record.cells.values()].every((cell) => cell.ended === null)).toBe(true)
  expect([...world.gate.values()][0]).toEqual([
    'settler/0001',
    'settler/0002',
    'settler/0003',
    'settler/0004',
    'settler/0005',
  ])
})

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

test('work spreads: the agent that has been free longest is taken first', async () => {
  const world = await ready()
  const taken: string[] = []
  for (let round = 0; round < 30; round += 1) {
    const agent = world.give(`att_${round}`)!
    taken.push(agent)
    await world.cells.of(agent).finish(agent)
    await world.clock.settle()
  }
  const counts = Map.groupBy(taken, (agent) => agent)
  expect(counts.size).toBe(10)
  expect([...counts.values()].every((list) => list.length === 3)).toBe(true)
})

test('a finished attempt is answered after its commit, and only then the agent is free again', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const commit = Promise.withResolvers<null>()
  world.answer = () => commit.promise
  const answered = world.cells.of(agent).finish(agent)
  await world.clock.settle()
  expect(world.state(agent)).toBe('busy')
  expect(world.fleet.freeCount('settler')).toBe(9)
  world.freed.length = 0
  commit.resolve(null)
  await answered
  await world.clock.settle()
  expect(world.state(agent)).toBe('idle')
  expect(world.freed).toEqual(['settler'])
  expect(world.requests).toEqual([{ method: 'done', agent, params: { agent, attempt: 'att_1' } }])
  const evidence = world.fleet.view(world.ref(agent))!.evidence.find((one) => one.fact === 'progresses')
  expect(evidence).toMatchObject({ value: 'yes' })
})

test('an answer that failed leaves the attempt in hand; an answer that it is stale frees the agent', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  world.answer = async () => {
    throw new Failure('overloaded', 'later', { retryAfterMs: 100 })
  }
  expect((await cell.say('done', { agent, attempt: 'att_1' })).error).toMatchObject({ code: 'overloaded' })
  await world.clock.settle()
  expect(world.state(agent)).toBe('busy')
  world.answer = async () => {
    throw new Failure('stale', 'a newer attempt owns the task')
  }
  await cell.finish(agent)
  await world.clock.settle()
  expect(world.state(agent)).toBe('idle')
  expect(world.lost).toEqual([])
})

test('a frame is refused for an agent of another cell, for an attempt it was not given, and for an old epoch', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const own = world.cells.of(agent)
  const other = [...world.cells.living].find((cell) => cell !== own)!
  const codeOf = async (cell: typeof own, method: string, params: unknown): Promise<unknown> =>
    ((await cell.say(method, params)).error as Failure).code
  expect(await codeOf(other, 'done', { agent, attempt: 'att_1' })).toBe('not-your-agent')
  expect(await codeOf(own, 'done', { agent: 'settler/9999', attempt: 'att_1' })).toBe('not-your-agent')
  expect(await codeOf(own, 'done', { agent, attempt: 'att_2' })).toBe('stale')
  expect(await codeOf(own, 'done', { agent, attempt: 'att_1', epoch: 0 })).toBe('stale')
  expect(await codeOf(own, 'settle', { agent, attempt: 'att_0' })).toBe('stale')
  expect(await codeOf(own, 'vault.read', { agent, attempt: 'att_1' })).toBe('unknown-method')
  expect(await codeOf(own, 'done', { agent: { type: 'settler' }, attempt: 'att_1' })).toBe('frame-invalid')
  expect(await codeOf(own, 'done', null)).toBe('frame-invalid')
  expect(world.requests).toEqual([])
  expect(world.state(agent)).toBe('busy')
  await world.clock.settle()
  expect(world.record.eventsOf('frame.refused').length).toBeGreaterThan(0)
})

test('the last attempt may be told again and goes to the record, without freeing the agent twice', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  await cell.finish(agent)
  await world.clock.settle()
  expect(await cell.say('done', { agent, attempt: 'att_1' })).toEqual({ result: null })
  expect(world.requests.length).toBe(2)
  expect(world.fleet.freeCount('settler')).toBe(10)
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

test('a cell that keeps dying is quarantined with its agents, probed with one, and released when the probe works', async () => {
  const world = await ready({
    types: [
      agentType({ count: 5, restart: { type: 'permanent', max: 3, withinMs: 600_000, baseMs: 100, capMs: 1_000 } }),
    ],
  })
  for (let round = 0; round < 4; round += 1) {
    for (const cell of world.cells.living) cell.end('exit', 'exit code 1')
    await world.clock.advance(2_000)
  }
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
  for (let round = 0; round < 2; round += 1) {
    for (const cell of world.cells.living) cell.end()
    await world.clock.advance(2_000)
  }
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

test('a hung cell is suspect after two beats, killed at the third, and its agents work again; other cells are not touched', async () => {
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

test('agents of a suspect cell get no work and show that it does not respond; an answer makes them what they were', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  cell.hung = true
  while (world.state(agent) !== 'suspect') await world.clock.advance(100)
  expect(world.fleet.freeCount('settler')).toBe(5)
  expect(world.fleet.view(world.ref(agent))!.evidence).toMatchObject([
    { fact: 'exists', value: 'yes' },
    { fact: 'responds', value: 'no' },
    {},
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

test('an attempt without progress is cancelled, and ended with its cell when it ignores that; one that waits outside is not', async () => {
  const world = await ready()
  const [stuck, waiting] = [world.give('att_stuck')!, world.give('att_waits')!]
  world.waitsOutside = (attempt) => attempt === 'att_waits'
  const cell = world.cells.of(stuck)
  await world.clock.advance(80_000)
  expect(world.lost.map((one) => [one.attempt, one.collateral])).toEqual([
    ['att_stuck', false],
    ['att_waits', true],
  ])
  expect(cell.seen.filter((frame) => 'method' in frame && frame.method === 'cancel')).toMatchObject([
    { params: { agent: stuck, attempt: 'att_stuck' } },
  ])
  expect(world.record.eventsOf('cell.lost')).toMatchObject([
    { facts: { blamed: [stuck], killedFor: expect.stringContaining(stuck) } },
  ])
  expect(world.fleet.view(world.ref(waiting))!.restarts).toBe(1)
})

test('an attempt that gives up when asked costs its cell nothing, and beats with progress keep it from being asked', async () => {
  const world = await ready()
  world.cells.onCancel = (cell, { agent }) => {
    void cell.finish(agent, 'fail')
  }
  const [quiet, lively] = [world.give('att_quiet')!, world.give('att_lively')!]
  for (let second = 0; second < 100; second += 10) {
    await world.cells.of(lively).say('beat', { agent: lively, progress: `step ${second}` })
    await world.clock.advance(10_000)
  }
  expect(world.requests.map((one) => [one.method, one.agent])).toEqual([['fail', quiet]])
  expect(world.state(lively)).toBe('busy')
  expect(world.lost).toEqual([])
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

test('an attempt that its cell does not hold is told as lost without cost, and one that it should not hold is cancelled', async () => {
  const world = await ready()
  const agent = world.give('att_1')!
  const cell = world.cells.of(agent)
  cell.runs.delete(agent)
  cell.runs.set('settler/0005', {
    agent: 'settler/0005',
    attempt: 'att_ghost',
    task: 't',
    type: 's',
    payload: {},
    number: 1,
    deadline: null,
    key: 'k',
  })
  await world.clock.advance(6_000)
  expect(world.lost).toMatchObject([{ attempt: 'att_1', collateral: true }])
  expect(world.state(agent)).toBe('idle')
  expect(cell.seen).toContainEqual(
    expect.objectContaining({ method: 'cancel', params: expect.objectContaining({ attempt: 'att_ghost' }) }),
  )
})

test('work for an agent that died meanwhile is told as lost, once and without cost', async () => {
  const world = await ready()
  const [free] = world.fleet.take('settler', 1)
  world.cells.of(free!.agent).end()
  await world.clock.advance(1_000)
  const run = {
    agent: free!.agent,
    cell: free!.cell,
    attempt: 'att_1',
    task: 't',
    type: 's',
    payload: {},
    number: 1,
    deadline: null,
    key: 'k',
  }
  world.fleet.run([run, { ...run, agent: 'settler/9999', attempt: 'att_2' }])
  expect(world.lost).toEqual([])
  await world.clock.settle()
  expect(world.lost.map((one) => [one.attempt, one.collateral])).toEqual([
    ['att_1', true],
    ['att_2', true],
  ])
  expect(world.fleet.freeCount('settler')).toBe(10)
})

test('work for an older life of an agent is lost, although the agent was taken again meanwhile', async () => {
  const world = await ready({ types: [agentType({ count: 1 })] })
  const [before] = world.fleet.take('settler', 1)
  world.cells.of('settler/0001').end()
  await world.clock.advance(1_000)
  const [after] = world.fleet.take('settler', 1)
  const run = { agent: 'settler/0001', task: 't', type: 's', payload: {}, number: 1, deadline: null, key: 'k' }
  world.fleet.run([
    { ...run, cell: before!.cell, attempt: 'att_old' },
    { ...run, cell: after!.cell, attempt: 'att_new' },
  ])
  await world.clock.settle()
  expect(world.lost.map((one) => one.attempt)).toEqual(['att_old'])
  expect(world.cells.of('settler/0001').runs.get('settler/0001')!.attempt).toBe('att_new')
})

test('a challenge says nothing about what was given after it was asked', async () => {
  const world = await ready()
  const cell = world.cells.of('settler/0001')
  cell.pongMs = 100
  void world.fleet.challenge(cell.id)
  await world.clock.advance(50)
  const agents = Array.from({ length: 10 }, (_, index) => world.give(`att_${index}`)!)
  await cell.say('agent.broken', { agent: 'settler/0005', error: { name: 'E', message: 'm' } })
  await world.clock.advance(60)
  expect(agents.filter((agent) => world.state(agent) === 'busy').length).toBe(9)
  expect(world.lost.map((one) => one.agent)).toEqual(['settler/0005'])
})

test('an answer under way when its cell dies decides by its commit: done is done, failed is lost', async () => {
  for (const outcome of ['done', 'failed'] as const) {
    const world = await ready()
    const agent = world.give('att_1')!
    const commit = Promise.withResolvers<null>()
    world.answer = () => commit.promise
    const cell = world.cells.of(agent)
    void cell.finish(agent)
    await world.clock.settle()
    cell.end()
    await world.clock.settle()
    expect(world.lost).toEqual([])
    if (outcome === 'done') commit.resolve(null)
    else commit.reject(new Failure('overloaded', 'not now'))
    await world.clock.advance(1_000)
    expect(world.lost.map((one) => one.attempt)).toEqual(outcome === 'done' ? [] : ['att_1'])
    expect(states(world)).toEqual({ idle: 10 })
  }
})

test('a taken agent that gets no work is free again when released', async () => {
  const world = await ready()
  const taken = world.fleet.take('settler', 3)
  expect(world.fleet.freeCount('settler')).toBe(7)
  for (const one of taken) world.fleet.release(one.agent)
  world.fleet.release('settler/9999')
  expect(world.fleet.freeCount('settler')).toBe(10)
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

test('the next sitter resumes quarantine and backoff, never for longer than before, and starts everything else', async () => {
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

test('a release ends a quarantine at once with a clean slate, and is refused where nothing is quarantined', async () => {
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

test('a stop gives no new work, waits for what runs, gives back what does not end, and ends the cells', async () => {
  const world = await ready()
  const [ends, runs] = [world.give('att_ends')!, world.give('att_runs')!]
  const stopped = world.fleet.stop(5_000)
  await world.clock.settle()
  expect(world.fleet.take('settler', 1)).toEqual([])
  expect([...world.cells.living].every((cell) => cell.drained)).toBe(true)
  await world.clock.advance(1_000)
  await world.cells.of(ends).finish(ends)
  expect(world.lost).toEqual([])
  await world.clock.advance(10_000)
  await stopped
  expect(world.cells.living.size).toBe(0)
  expect(world.lost).toMatchObject([{ attempt: 'att_runs', agent: runs, collateral: true, cause: 'the sitter stops' }])
  expect([...world.record.agents.values()].every((row) => row.state === 'stopped')).toBe(true)
  expect([...world.record.cells.values()].every((cell) => cell.ended !== null)).toBe(true)
  expect(world.record.eventsOf('cell.lost')).toEqual([])
})

test('a challenge gives the agents that the cell itself lists', async () => {
  const world = await ready()
  const [cell] = world.fleet.cells()
  const asked = world.fleet.challenge(cell!.id)
  await world.clock.settle()
  expect(await asked).toHaveLength(5)
  await expect(world.fleet.challenge('cel_none')).rejects.toMatchObject({ code: 'not-found' })
  ;[...world.cells.living][0]!.hung = true
  const late = world.fleet.challenge([...world.cells.living][0]!.id)
  late.catch(() => {
    /* looked at below */
  })
  await world.clock.advance(5_000)
  await expect(late).rejects.toMatchObject({ code: 'timed-out' })
})

test('a flood of lines is cut, counted and told', async () => {
  const world = await ready()
  const cell = world.cells.of('settler/0001')
  for (let line = 0; line < 1_000; line += 1)
    void cell.say('log', { agent: 'settler/0001', level: 'info', message: `line ${line}` })
  await world.clock.advance(6_000)
  expect(world.lines.filter((line) => line.source === 'agent').length).toBe(200)
  expect(world.lines.filter((line) => line.source === 'fleet')).toMatchObject([{ fields: { dropped: 800 } }])
})

test('coverage says how many agents really reported, and never claims more', async () => {
  const world = await openWorld()
  expect(world.fleet.summary().coverage).toEqual({ reporting: 0, of: 10, oldestMs: null })
  expect(world.fleet.view(world.ref('settler/0001'))!.evidence).toMatchObject([
    { fact: 'exists', value: 'yes' },
    { fact: 'responds', value: 'unknown' },
    { fact: 'progresses', value: 'unknown' },
  ])
  await world.clock.advance(1_000)
  expect(world.fleet.summary().coverage).toMatchObject({ reporting: 10, of: 10 })
  world.cells.of('settler/0001').hung = true
  await world.clock.advance(9_000)
  expect(world.fleet.summary().coverage.reporting).toBe(5)
})

test('agents that work are not written to the record, only what the supervision changes', async () => {
  const world = await ready()
  const rows = world.record.rowsSaved
  for (let round = 0; round < 20; round += 1) {
    const agent = world.give(`att_${round}`)!
    await world.cells.of(agent).finish(agent)
    await world.clock.settle()
  }
  expect(world.record.rowsSaved).toBe(rows)
})
