/** What the room above sees: free agents, work given, answers, losses told once, and the end in order. */
import { expect, test } from 'vitest'
import { Failure } from '../../src/std/std.ts'
import { agentType, openWorld, type World } from './world.ts'

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

test('a frame is refused for an agent elsewhere, for an attempt it was not given, and for an old epoch', async () => {
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

test('an attempt without progress is cancelled, then ended with its cell; waiting outside is no reason', async () => {
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

test('an agent whose end is not taken because the disk is full is not stuck, however long that lasts', async () => {
  const world = await ready()
  world.answer = () => Promise.reject(new Failure('disk-full', 'nothing was written', { retryAfterMs: 5_000 }))
  const agent = world.give('att_told')!
  const cell = world.cells.of(agent)
  for (let second = 0; second < 300; second += 2) {
    await cell.say('done', { agent, attempt: 'att_told' })
    await world.clock.advance(2_000)
  }
  expect(world.record.eventsOf('attempt.cancelled')).toEqual([])
  world.answer = async () => null
  await cell.finish(agent)
  await world.clock.settle()
  expect([world.state(agent), cell.ended, world.lost]).toEqual(['idle', false, []])
})

test('while the machine stands still again and again nobody is stuck, and no grace runs out', async () => {
  const world = await ready()
  world.cells.onCancel = (cell, { agent }) => {
    // Too slow for the moments in which the machine runs.
    world.clock.timer(200, () => void cell.finish(agent, 'fail'))
  }
  const [quiet, asked] = [world.give('att_quiet')!, world.give('att_asked')!]
  world.fleet.cancel(asked, 'att_asked', 'by a person')
  for (let round = 0; round < 10; round += 1) {
    await world.clock.sleepThrough(20_000)
    await world.clock.advance(10)
  }
  await world.clock.advance(1_000)
  expect(world.record.eventsOf('attempt.cancelled').map((event) => event.subject)).toEqual([asked])
  expect([world.state(quiet), world.state(asked), world.cells.all.length]).toEqual(['busy', 'idle', 2])
  await world.clock.advance(70_000)
  expect(world.record.eventsOf('attempt.cancelled').map((event) => event.subject)).toEqual([asked, quiet])
})

test('an attempt that gives up when asked costs its cell nothing; progress spares it the question', async () => {
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

test('an attempt that its cell does not hold is lost without cost; a strange one is cancelled', async () => {
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
    { fact: 'useful', value: 'unknown' },
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
