/**
 * Many deaths of one cause: the decision by itself, and the fleet in virtual time with a cause that kills whoever is
 * started, lasts, and passes.
 */
import { expect, test } from 'vitest'
import {
  afterDeath,
  afterExplanation,
  afterProof,
  fingerprintOf,
  freshCause,
  mostDeaths,
  nextTries,
  released,
  relapseMs,
  windowMs,
  type CauseState,
} from '../../src/fleet/governor/decide.ts'
import { conditionsOf } from '../../src/alerting.ts'
import { lookAtConditions, type OpenIncident, type Seen } from '../../src/record/alerts/decide.ts'
import { every } from '../../src/std/std.ts'
import { rooms } from '../worlds/alerting.ts'
import { FakeCells, type FakeCell } from './cells.ts'
import { VirtualClock } from './clock.ts'
import { agentType, openWorld, type World } from './world.ts'

const deaths = (count: number, different: number, everyMs = 10, from: CauseState = freshCause): CauseState => {
  let state = from
  for (let index = 0; index < count; index += 1) state = afterDeath(state, `a/${index % different}`, index * everyMs)
  return state
}

const shown = (proven: readonly string[], gone: readonly string[] = []) => ({ proven, gone })

test('So many deaths of so many different ones within a minute are held, fewer or rarer ones are not', () => {
  expect(deaths(mostDeaths - 1, 9).held).toBeNull()
  expect(deaths(100, 4).held).toBeNull()
  expect(deaths(100, 50, windowMs / 9 + 1).held).toBeNull()
  expect(deaths(mostDeaths, 5).held).toMatchObject({ failures: 0, wave: 1, trying: [], nextMs: 90 + 1_000 })
})

test('One goes first; when it dies of it the wait doubles, when it holds the waves do', () => {
  const { held } = deaths(10, 10)
  const waiting = Array.from({ length: 20 }, (_, index) => `w/${index}`)
  expect(nextTries(held!, waiting, held!.nextMs - 1).start).toEqual([])
  const first = nextTries(held!, waiting, held!.nextMs)
  expect(first.start).toEqual(['w/0'])
  expect(nextTries(first.held, waiting, held!.nextMs + 1).start).toEqual([])
  const died = afterDeath({ ...freshCause, held: first.held }, 'w/0', 10_000)
  expect(died.held).toMatchObject({ failures: 1, wave: 1, trying: [], nextMs: 12_000 })
  expect(afterDeath({ ...freshCause, held: first.held }, 'w/7', 10_000).held).toEqual(first.held)
  const proven = afterProof(first.held, shown(['w/0']), 10_000)
  expect(proven).toMatchObject({ wave: 2, trying: [], nextMs: 10_000 })
  const second = nextTries(proven, waiting.slice(1), 10_000)
  expect(second.start).toEqual(['w/1', 'w/2'])
  const half = afterProof(second.held, shown(['w/1']), 11_000)
  expect(half).toMatchObject({ wave: 2, trying: ['w/2'] })
  expect(afterProof(half, shown(['w/2']), 12_000)).toMatchObject({ wave: 4, trying: [] })
  expect(afterProof(second.held, shown(['w/1', 'w/2']), 11_000)).toMatchObject({ wave: 4, trying: [] })
})

test('Who is gone without having shown anything is no proof', () => {
  const { held } = deaths(10, 10)
  const first = nextTries(held!, ['w/0', 'w/1'], held!.nextMs).held
  const gone = afterProof(first, shown([], ['w/0']), 10_000)
  // It waits as long as this one had to.
  expect(gone).toMatchObject({ wave: 1, trying: [], nextMs: 11_000, failures: 0 })
  const two = nextTries({ ...gone, wave: 2 }, ['w/1', 'w/2'], 11_000).held
  expect(afterProof(afterProof(two, shown(['w/1']), 12_000), shown([], ['w/2']), 13_000)).toMatchObject({ wave: 4 })
  expect(afterProof(two, shown([], ['w/1', 'w/2']), 12_000)).toMatchObject({ wave: 2, trying: [], nextMs: 13_000 })
})

test('What comes back soon after its end is tried with the patience of before', () => {
  const { held } = deaths(10, 10)
  const over = released({ ...held!, failures: 6 }, 0)
  expect(deaths(10, 10, 10, over).held).toMatchObject({ failures: 7, nextMs: 90 + 128_000 })
  const later = { ...over, last: { failures: 6, atMs: -relapseMs } }
  expect(deaths(10, 10, 10, later).held).toMatchObject({ failures: 0 })
})

test('Deaths that were laid to one who is out of the way do not count towards a hold, and end none', () => {
  const state = afterExplanation(deaths(9, 9), ['a/0', 'a/1'])
  expect(afterDeath(state, 'b/1', 100).held).toBeNull()
  expect(afterDeath(deaths(9, 9), 'b/1', 100).held).not.toBeNull()
  const { held } = deaths(10, 10)
  expect(afterExplanation({ ...freshCause, held }, ['a/0']).held).toEqual(held)
})

test('A cause is the same whoever died of it and when', () => {
  expect(fingerprintOf('cell cel_019a ended (exit): code 1, pid 4711')).toBe(
    fingerprintOf('cell cel_02ff-x ended (exit): code 1, pid 12'),
  )
  expect(fingerprintOf('settler/0042 could not be made: no module x')).not.toBe(
    fingerprintOf('settler/0042 could not be made: no module y'),
  )
})

/** Ends every cell that is started, shortly after it is ready, for as long as it lasts. */
const sickness = (world: World): { lasts: boolean } => {
  const cause = { lasts: true }
  const strike = (cell: FakeCell): void => {
    world.clock.timer(world.cells.startMs + 50, () => {
      if (cause.lasts) cell.end('exit', 'exit code 1: cannot reach the model')
    })
  }
  for (const cell of world.cells.living) cell.end('exit', 'exit code 1: cannot reach the model')
  world.cells.failing = (plan) => {
    queueMicrotask(() => {
      strike(world.cells.all.findLast((cell) => cell.plan === plan)!)
    })
    return null
  }
  return cause
}
const states = (world: World): Record<string, number> => ({ ...world.fleet.summary().byState })
const heldEvents = (world: World, kind: string): number => world.record.events.filter((one) => one.kind === kind).length

/** The incidents that people hear of, by the sitter's own look every two seconds. */
const incidentsIn = ({ clock, fleet }: World) => {
  const [opened, over]: [string[], string[]] = [[], []]
  let open: readonly OpenIncident[] = []
  let seen: ReadonlyMap<string, Seen> = new Map()
  const ask = conditionsOf(rooms({ clock, fleet }))
  every(clock, 2_000, () => {
    void ask().then((holding) => {
      const looked = lookAtConditions(holding, open, seen, clock.monoMs())
      seen = looked.seen
      opened.push(...looked.open.map(({ key }) => key))
      over.push(...looked.resolve)
      open = [
        ...open.filter(({ id }) => !looked.resolve.includes(id)),
        ...looked.open.map((one) => ({ ...one, id: one.key, writtenMs: clock.monoMs() })),
      ]
    })
  })
  return { opened, over }
}

for (const { title, type, agents } of [
  { title: '300 programs', type: agentType({ count: 300, perCell: 1 }), agents: 300 },
  { title: '5,000 agents in 50 cells', type: agentType({ count: 5_000, perCell: 100 }), agents: 5_000 },
]) {
  test(`${title} that die of one cause: one goes first, few restarts while it lasts, all are back by themselves`, async () => {
    const world = await openWorld({ types: [type], startingAtOnce: 50 })
    await world.clock.advance(60_000)
    expect(states(world)).toEqual({ idle: agents })
    const before = world.cells.all.length
    const incidents = incidentsIn(world)
    const cause = sickness(world)
    await world.clock.advance(120_000)
    const restarts = world.cells.all.length - before
    expect(restarts).toBeGreaterThan(2)
    expect(restarts).toBeLessThanOrEqual(20)
    expect(heldEvents(world, 'restarts.held')).toBe(1)
    expect(incidents).toEqual({ opened: [expect.stringMatching(/^restarts\/[0-9a-f]{8}$/)], over: [] })
    const { held } = world.fleet.summary()
    expect(held).toMatchObject([{ cause: expect.stringContaining('cannot reach the model') as string }])
    // Nobody is in quarantine for what was not its fault, and each says what it waits for.
    expect(world.fleet.summary().byState.quarantined ?? 0).toBe(0)
    const exits = world.fleet.list().map(({ exit }) => exit?.kind)
    expect(exits.filter((kind) => kind !== 'time').length).toBeLessThanOrEqual(100)
    cause.lasts = false
    await world.clock.advance(400_000)
    expect(states(world)).toEqual({ idle: agents })
    expect(world.fleet.summary().held).toEqual([])
    expect(heldEvents(world, 'restarts.released')).toBe(1)
    expect(incidents).toEqual({ opened: incidents.opened, over: incidents.opened })
    expect(incidents.opened.length).toBe(1)
  }, 60_000)
}

/** Hosts that were started since then. */
const startsSince = (world: World, before: number): number => world.cells.all.length - before
const held = (world: World) => world.fleet.summary().held!
/** A word for each of 676. */
const nameAt = (at: number): string => String.fromCodePoint(97 + (at % 26), 97 + Math.floor(at / 26))

test('A cause that shows itself in other words at each restart is one cause: one goes first, not a wave of each', async () => {
  const world = await openWorld({ types: [agentType({ count: 300, perCell: 1 })], startingAtOnce: 50 })
  await world.clock.advance(60_000)
  const before = world.cells.all.length
  let starts = 0
  world.cells.failing = () => {
    starts += 1
    return `exit code ${78 + (starts % 3)}`
  }
  for (const cell of world.cells.living) cell.end('exit', 'exit code 1: the line to the model is cut')
  await world.clock.advance(120_000)
  expect(startsSince(world, before) + starts).toBeGreaterThan(2)
  expect(startsSince(world, before) + starts).toBeLessThanOrEqual(20)
  expect(held(world).length).toBe(1)
  expect(states(world)['quarantined'] ?? 0).toBe(0)
  world.cells.failing = null
  await world.clock.advance(400_000)
  expect(states(world)).toEqual({ idle: 300 })
  expect(held(world)).toEqual([])
})

test('Whoever waits for its place when the hold comes is held: it starts in its wave, and none is forgotten', async () => {
  const world = await openWorld({ types: [agentType({ count: 300, perCell: 1 })], startingAtOnce: 4 })
  await world.clock.advance(60_000)
  const before = world.cells.all.length
  // Each dies of something else, and all ask for a start at once: nobody is held, and 296 wait for their place.
  for (const [at, cell] of [...world.cells.living].entries()) cell.end('exit', `exit code 1: ${nameAt(at)}`)
  let starts = 0
  world.cells.failing = () => {
    starts += 1
    return 'exit code 78'
  }
  await world.clock.advance(120_000)
  expect(startsSince(world, before) + starts).toBeLessThanOrEqual(30)
  expect(held(world)).toMatchObject([{ cause: expect.stringContaining('exit code 78') as string }])
  // Each says when it goes on.
  const waits = world.fleet.list().filter(({ state }) => state === 'starting')
  expect(waits.length).toBeGreaterThan(250)
  expect(new Set(waits.map(({ exit }) => exit?.what))).toEqual(
    new Set(['many died of one cause: one of them is tried first']),
  )
  expect(held(world)[0]!.waiting).toBe(300)
  world.cells.failing = null
  await world.clock.advance(400_000)
  expect(states(world)).toEqual({ idle: 300 })
  expect(held(world)).toEqual([])
})

test('A swarm of which no host comes up is not tried one by one at its first start, nor by the next sitter', async () => {
  const type = agentType({ count: 500, perCell: 1 })
  const cells = new FakeCells(new VirtualClock())
  let starts = 0
  cells.failing = () => {
    starts += 1
    return 'exit code 78: no such module'
  }
  const world = await openWorld({ types: [type], cells, clock: cells.clock, startingAtOnce: 8 })
  await world.clock.advance(60_000)
  expect(starts).toBeLessThanOrEqual(30)
  expect(held(world)[0]!.waiting).toBe(500)
  const { clock, record } = world
  record.epoch = 2
  const next = await openWorld({ types: [type], cells, clock, record, epoch: 2, startingAtOnce: 8 })
  starts = 0
  await clock.advance(60_000)
  expect(starts).toBeLessThanOrEqual(30)
  cells.failing = null
  await clock.advance(600_000)
  expect(states(next)).toEqual({ idle: 500 })
})

test('Where the type comes up the cause is theirs who died of it: nobody else waits for them', async () => {
  const isBroken = (id: string): boolean => /\/00[01]\d$/.test(id)
  const cells = new FakeCells(new VirtualClock())
  cells.failing = ({ seats }) => (isBroken(seats[0]!.agent) ? 'exit code 78: its own setting' : null)
  const type = agentType({ count: 300, perCell: 1 })
  const world = await openWorld({ types: [type], cells, clock: cells.clock, startingAtOnce: 8 })
  await world.clock.advance(20_000)
  expect(world.fleet.list().filter(({ id, state }) => !isBroken(id) && state !== 'idle')).toEqual([])
  expect(held(world).length).toBe(1)
  // Later too, though those are tried again and again: who is killed from outside is back at once.
  await world.clock.advance(200_000)
  world.oomKills = 0
  cells.of('settler/0200').end('killed', 'signal SIGKILL')
  await world.clock.advance(5_000)
  expect(world.state('settler/0200')).toBe('idle')
  expect(held(world).length).toBe(1)
})

test('A host that stood by is no proof that its type comes up: who waits is not started into the wall for it', async () => {
  const cells = new FakeCells(new VirtualClock(), true)
  const type = agentType({ count: 300, perCell: 1, cell: { kind: 'pool', orWeaker: false, standby: 3 } })
  const world = await openWorld({ types: [type], cells, clock: cells.clock, startingAtOnce: 4 })
  await world.clock.advance(60_000)
  expect(world.fleet.standbys().length).toBe(3)
  const ahead = new Set(cells.ahead)
  let starts = 0
  cells.failing = ({ seats }) => {
    starts += seats.length
    return 'exit code 78'
  }
  // Each by itself, so that nobody is held for its own death: those three that come first go on in what stood by.
  const dying = [...cells.living].filter((cell) => !ahead.has(cell))
  for (const [at, cell] of dying.entries()) cell.end('exit', `exit code 1: ${nameAt(at)}`)
  await world.clock.advance(120_000)
  expect([...cells.living].every((cell) => ahead.has(cell))).toBe(true)
  expect(states(world)['idle']).toBe(3)
  expect(starts).toBeLessThanOrEqual(30)
  expect(held(world)).toMatchObject([{ waiting: 297 }])
  cells.failing = null
  await world.clock.advance(400_000)
  expect(states(world)).toEqual({ idle: 300 })
  expect(held(world)).toEqual([])
})

test('A person’s word goes before a hold also for who waits for its place', async () => {
  const cells = new FakeCells(new VirtualClock())
  cells.failing = () => 'exit code 78'
  const type = agentType({ count: 100, perCell: 1 })
  const world = await openWorld({ types: [type], cells, clock: cells.clock, startingAtOnce: 4 })
  await world.clock.advance(30_000)
  expect(world.state('settler/0077')).toBe('starting')
  cells.failing = ({ seats }) => (seats[0]!.agent === 'settler/0077' ? null : 'exit code 78')
  await world.fleet.restart([world.ref('settler/0077')], 'token:ada')
  await world.clock.advance(1_000)
  expect(world.state('settler/0077')).toBe('idle')
  // Who is stopped meanwhile waits for nothing any more.
  const by = { actor: 'token:ada', reason: 'not today' }
  await world.fleet.order('stop', [world.ref('settler/0078')], by)
  cells.failing = null
  await world.clock.advance(400_000)
  expect(states(world)).toEqual({ idle: 99, stopped: 1 })
  expect(held(world)).toEqual([])
})

test('Another release of a type is not held for what the one before died of', async () => {
  const broken = agentType({ count: 60, perCell: 1 })
  const cells = new FakeCells(new VirtualClock())
  cells.failing = ({ run }) => (run.module === broken.run.module ? 'exit code 78' : null)
  const world = await openWorld({ types: [broken], cells, clock: cells.clock, startingAtOnce: 8 })
  await world.clock.advance(600_000)
  expect(held(world)[0]!.waiting).toBe(60)
  const mended = agentType({ count: 60, perCell: 1, run: { module: '/agents/mended.ts' } })
  await world.fleet.reconfigure({ settler: mended }, 'token:ada')
  await world.clock.advance(30_000)
  expect(states(world)).toEqual({ idle: 60 })
})

test('With which exit code or signal a program ended is part of its cause', () => {
  const ended = (how: string): string => fingerprintOf(`cell cel_019a ended (exit): ${how}; pid 4711 after 12 ms`)
  const ways = ['exit code 1', 'exit code 2', 'exit code 21', 'exit code 137', 'signal SIGABRT', 'signal SIGSEGV']
  expect(new Set(ways.map(ended)).size).toBe(ways.length)
  expect(ended('exit code 137')).toBe('cell # ended (exit): exit code 137; pid # after # ms')
})

test('Who dies alone is never held, nor are deaths that came from outside', async () => {
  const world = await openWorld({ types: [agentType({ count: 40, perCell: 1 })], startingAtOnce: 40, oomKills: 0 })
  await world.clock.advance(10_000)
  for (let round = 0; round < 5; round += 1) {
    for (const cell of [...world.cells.living].slice(0, 10)) cell.end('killed', 'signal SIGKILL')
    await world.clock.advance(1_000)
  }
  for (let round = 0; round < 4; round += 1) {
    world.cells.of('settler/0007').end('exit', 'exit code 1')
    await world.clock.advance(10_000)
  }
  expect(heldEvents(world, 'restarts.held')).toBe(0)
  expect(states(world)).toEqual({ idle: 40 })
})

test('A person’s word goes before the hold', async () => {
  const world = await openWorld({ types: [agentType({ count: 20, perCell: 1 })], startingAtOnce: 20 })
  await world.clock.advance(10_000)
  const cause = sickness(world)
  await world.clock.advance(20_000)
  expect(world.fleet.summary().held!.length).toBe(1)
  const [waits] = world.fleet.list().filter(({ state }) => state === 'backoff')
  cause.lasts = false
  await world.fleet.unquarantine([world.ref(waits!.id)], 'token:ada')
  await world.clock.advance(1_000)
  expect(world.state(waits!.id)).toBe('idle')
})

test('The next sitter goes on with the hold: one is tried, not all', async () => {
  const type = agentType({ count: 300, perCell: 1 })
  const world = await openWorld({ types: [type], startingAtOnce: 50 })
  await world.clock.advance(60_000)
  sickness(world)
  await world.clock.advance(100_000)
  const { clock, record } = world
  for (const cell of world.cells.living) cell.end()
  await clock.advance(1_500)
  record.epoch = 2
  const next = await openWorld({ types: [type], clock, record, epoch: 2, startingAtOnce: 50 })
  const cause = sickness(next)
  await clock.advance(500)
  expect(next.fleet.summary().held).toMatchObject([
    { cause: expect.stringContaining('cannot reach the model'), failures: world.fleet.summary().held![0]!.failures },
  ])
  await clock.advance(120_000)
  expect(next.cells.all.length).toBeLessThanOrEqual(20)
  expect(heldEvents(next, 'restarts.held')).toBe(1)
  cause.lasts = false
  await clock.advance(900_000)
  expect(states(next)).toEqual({ idle: 300 })
  expect(next.fleet.summary().held).toEqual([])
})
