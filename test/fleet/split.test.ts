/** How agents are parted and led home: the decisions alone, then the whole fleet in virtual time with random culprits. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayRecycle, nearLimit } from '../../src/fleet/recycle.ts'
import { mostParts, noPartings, partingsAfter, partsAfter } from '../../src/fleet/split.ts'
import type { FakeCell } from './cells.ts'
import { VirtualClock } from './clock.ts'
import { agentType, openWorld, type World } from './world.ts'

const agents = Array.from({ length: 100 }, (_, index) => `settler/${String(index + 1).padStart(4, '0')}`)
const death = { agents, ownDoing: true, parted: false, again: false, unnamed: 2, blamed: [], kills: 0, left: mostParts }

test('The second death parts a hundred agents over ten cells when nobody is named, and only the named one when somebody is', () => {
  expect(partsAfter({ ...death, unnamed: 1 })).toEqual([])
  expect(partsAfter(death).map((part) => part.length)).toEqual(Array.from({ length: 10 }, () => 10))
  expect(partsAfter(death).flat()).toEqual(agents)
  expect(partsAfter({ ...death, unnamed: 0, blamed: ['settler/0007'], kills: 1 })).toEqual([])
  expect(partsAfter({ ...death, unnamed: 1, blamed: ['settler/0007'], kills: 1 })).toEqual([['settler/0007']])
  expect(partsAfter({ ...death, unnamed: 0, blamed: ['settler/0007'], kills: 2 })).toEqual([['settler/0007']])
  expect(partsAfter({ ...death, blamed: ['settler/0007', 'settler/0008'], kills: 2 })).toEqual([])
})

test('A part is parted at its first death; what somebody outside killed, or is alone, or has no room, is not', () => {
  const part = { ...death, agents: agents.slice(0, 10), parted: true, unnamed: 1 }
  expect(partsAfter(part)).toEqual(agents.slice(0, 10).map((agent) => [agent]))
  expect(partsAfter({ ...part, ownDoing: false })).toEqual([])
  // So is a home whose parts have just come home; whoever is named there for the first time is not moved for it.
  expect(partsAfter({ ...death, again: true, unnamed: 1 })).toHaveLength(10)
  expect(partsAfter({ ...death, again: true, unnamed: 0, blamed: ['settler/0007'], kills: 1 })).toEqual([])
  expect(partsAfter({ ...part, agents: ['settler/0001'] })).toEqual([])
  expect(partsAfter({ ...death, left: 0 })).toEqual([])
  expect(partsAfter({ ...death, left: 3 }).map((part) => part.length)).toEqual([33, 33, 34])
})

test('A parting loses nobody, makes no empty part and no more than there is room for', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ min: 0, max: 60 }),
      fc.boolean(),
      (count, left, parted) => {
        const all = Array.from({ length: count }, (_, index) => `a/${index}`)
        const parts = partsAfter({ ...death, agents: all, left, parted })
        expect(parts.length).toBeLessThanOrEqual(left + (parted ? 1 : 0))
        if (parts.length > 0) expect(parts.flat()).toEqual(all)
        expect(parts.every((part) => part.length > 0)).toBe(true)
      },
    ),
  )
})

test('What a part has to prove is twice the life of the cell, doubles when its home is parted again, and has a bound', () => {
  const ask = { nowMs: 1_000_000, lifeMs: 60_000, leastMs: 2_000, beforeMs: 0 }
  const first = partingsAfter(noPartings, ask)
  expect(first.proofMs).toBe(120_000)
  expect(partingsAfter(first, { ...ask, nowMs: 1_100_000 }).proofMs).toBe(240_000)
  expect(partingsAfter(first, { ...ask, nowMs: 1_100_000, beforeMs: first.proofMs, lifeMs: 1_000 }).proofMs).toBe(
    120_000,
  )
  expect(partingsAfter(first, { ...ask, nowMs: 1_000_000 + 11 * 120_000 }).proofMs).toBe(120_000)
  expect(partingsAfter(noPartings, { ...ask, lifeMs: 1e12 }).proofMs).toBe(21_600_000)
  expect(partingsAfter(noPartings, { ...ask, lifeMs: 0 }).proofMs).toBe(2_000)
})

test('A host is near its limit at four fifths of its memory or descriptors, and recycled one at a time of its type', () => {
  const load = { residentBytes: 100e6, memoryBytes: 256e6, files: { open: 20, most: 1_024 } }
  expect(nearLimit(load)).toBeNull()
  expect(nearLimit({ ...load, residentBytes: undefined, files: undefined })).toBeNull()
  expect(nearLimit({ ...load, residentBytes: 280e6 })).toBe('memory: 216 MB of 256 MB')
  expect(nearLimit({ ...load, files: { open: 900, most: 1_024 } })).toBe('descriptors: 900 of 1024 are open')
  const shares = { memory: { usedBytes: 420e6, mostBytes: 512e6 }, disk: { usedBytes: 40e6, mostBytes: 64e6 } }
  expect(nearLimit({ ...load, usage: { memory: null, disk: shares.disk } })).toBeNull()
  expect(nearLimit({ ...load, usage: shares })).toBe('memory of all its processes: 420 MB of 512 MB')
  const full = { usedBytes: 60e6, mostBytes: 64e6 }
  expect(nearLimit({ ...load, usage: { ...shares, disk: full } })).toBe('disk: 60 MB of 64 MB')
  const turn = { nowMs: 1e6, fullBeats: 2, recycledMs: null, typeIsBusy: false, starting: 0 }
  expect(mayRecycle(turn)).toBe(true)
  expect(mayRecycle({ ...turn, fullBeats: 1 })).toBe(false)
  expect(mayRecycle({ ...turn, typeIsBusy: true })).toBe(false)
  expect(mayRecycle({ ...turn, starting: 1 })).toBe(false)
  expect(mayRecycle({ ...turn, recycledMs: 500_000 })).toBe(false)
  expect(mayRecycle({ ...turn, recycledMs: 400_000 })).toBe(true)
})

const restart = { type: 'permanent', max: 3, withinMs: 600_000, baseMs: 200, capMs: 10_000 } as const
const type = (count: number, perCell: number): ReturnType<typeof agentType> =>
  agentType({ count, perCell, restart, heartbeatMs: 5_000, cell: { kind: 'pool', orWeaker: false, standby: 0 } })

/** Each culprit ends its cell so long after that cell was ready; some leave a trace. */
type Culprits = ReadonlyMap<string, { readonly afterMs: number; readonly named: boolean }>

const stepMs = 500
/** Moves on in small steps, while every culprit does what it does. */
const live = async (world: World, culprits: Culprits, forMs: number): Promise<void> => {
  for (let at = 0; at < forMs; at += stepMs) {
    await world.clock.advance(stepMs)
    for (const cell of world.cells.living) {
      const ripe = [...cell.seats.keys()].find((agent) => {
        const culprit = culprits.get(agent)
        const view = world.fleet.view(world.ref(agent))!
        return culprit !== undefined && view.cell?.id === cell.id && upMs(world, cell) >= culprit.afterMs
      })
      if (ripe === undefined) continue
      if (culprits.get(ripe)!.named)
        cell.endWith({ kind: 'memory', source: 'watch', agent: ripe, forMs: null, stack: [] })
      else cell.end('exit', 'exit code 3')
    }
  }
}
const upMs = (world: World, cell: FakeCell): number => {
  const status = world.fleet.cells().find(({ id }) => id === cell.id)
  return status?.answeredMs == null ? -1 : world.clock.wallMs() - status.startedMs
}
const restartsOf = (world: World, innocent: (id: string) => boolean): number =>
  Math.max(
    ...world.fleet
      .list()
      .filter(({ id }) => innocent(id))
      .map(({ restarts }) => restarts),
  )
const cellOf = (world: World, id: string): string | undefined => world.fleet.view(world.ref(id))!.cell?.id

test('Of a hundred agents exactly those that kill end alone and in quarantine; all others end together and at work', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.record({
          who: fc.integer({ min: 1, max: 60 }),
          afterMs: fc.integer({ min: 500, max: 15_000 }),
          named: fc.boolean(),
        }),
        {
          minLength: 0,
          maxLength: 3,
          selector: ({ who }) => who,
        },
      ),
      fc.nat(),
      async (chosen, seed) => {
        const world = await openWorld({ types: [type(60, 30)], seed, oomKills: 0 })
        const culprits = new Map(chosen.map(({ who, ...how }) => [agents[who - 1]!, how]))
        const isInnocent = (id: string): boolean => !culprits.has(id)
        await live(world, culprits, 560_000)
        const states = Map.groupBy(world.fleet.list(), ({ state }) => state)
        expect((states.get('quarantined') ?? []).map(({ id }) => id).toSorted()).toEqual(
          [...culprits.keys()].toSorted(),
        )
        for (const agent of world.fleet.list()) if (isInnocent(agent.id)) expect(agent.state, agent.id).toBe('idle')
        // Together again: as many cells as without any culprit, but for homes that have none left.
        expect(world.cells.living.size).toBe(2)
        for (const [home, from] of [1, 31].entries()) {
          const mates = agents.slice(from - 1, from + 29).filter(isInnocent)
          expect(new Set(mates.map((id) => cellOf(world, id))).size, `home ${home}`).toBe(1)
        }
        // Two deaths of the home and one of the part for each culprit.
        expect(restartsOf(world, isInnocent)).toBeLessThanOrEqual(3 * culprits.size)
      },
    ),
    { numRuns: Number(process.env['FLEET_SPLIT_RUNS'] ?? 12) },
  )
})

test('One of 64 that ends its host at random moments sits alone within five deaths, and the 63 others are back in one host', async () => {
  const killer = fc.record({
    who: fc.integer({ min: 1, max: 64 }),
    // Drawn anew after each death: it never needs the same time twice.
    // At random, not at their worst: who lives ever longer than was asked of it comes home each time.
    lives: fc.array(fc.noBias(fc.integer({ min: 500, max: 20_000 })), { minLength: 12, maxLength: 12 }),
    named: fc.boolean(),
  })
  // Once by chance in hundreds: it comes home and ends it so late that all seemed calm, then soon, then late again.
  const late = [
    { who: 32, lives: [6_468, 616, 19_394, 701, 15_807, 825, 5_538, 1_466, 946, 1_863, 2_131, 12_772], named: false },
    { who: 5, lives: [12_190, 784, 18_762, 947, 8_401, 3_403, 6_194, 710, 8_852, 8_265, 2_415, 5_412], named: false },
  ]
  await fc.assert(
    fc.asyncProperty(killer, fc.nat(), async ({ who, lives, named }, seed) => {
      const world = await openWorld({ types: [type(64, 64)], seed, oomKills: 0 })
      const culprit = agents[who - 1]!
      const lost = () => world.record.eventsOf('cell.lost')
      const isAlone = (): boolean => [...world.cells.living].some(({ seats }) => seats.size === 1 && seats.has(culprit))
      let aloneAfter: number | undefined
      for (let deaths = 0; world.fleet.view(world.ref(culprit))!.state !== 'quarantined'; deaths = lost().length) {
        expect(deaths, 'it is not quarantined after so many deaths').toBeLessThan(lives.length)
        // After each step: it is not alone for long.
        await live(world, new Map([[culprit, { afterMs: lives[deaths]!, named }]]), stepMs)
        if (isAlone()) aloneAfter ??= lost().length
      }
      expect(aloneAfter).toBeLessThanOrEqual(5)
      await world.clock.advance(300_000)
      const others = world.fleet.list().filter(({ id }) => id !== culprit)
      expect(others.map(({ state }) => state)).toEqual(others.map(() => 'idle'))
      expect([...world.cells.living].map(({ seats }) => seats.size)).toEqual([63])
    }),
    // To shrink takes longer than a test may.
    {
      numRuns: Number(process.env['FLEET_SPLIT_RUNS'] ?? 12),
      examples: late.map((one) => [one, 7]),
      endOnFailure: true,
    },
  )
})

test('A named culprit moves alone at its second death, and nobody else moves', async () => {
  const world = await openWorld({ types: [type(10, 10)], oomKills: 0 })
  await world.clock.advance(500)
  for (let round = 0; round < 3; round += 1) {
    const cell = world.cells.of('settler/0004')
    const seats = [...cell.seats.keys()]
    expect(seats.length).toBe(round < 2 ? 10 : 1)
    cell.endWith({ kind: 'blocked', source: 'watch', agent: 'settler/0004', forMs: 900, stack: ['spin (a.ts:1:2)'] })
    await world.clock.advance(5_000)
  }
  expect(world.record.eventsOf('cell.lost').map(({ facts }) => facts['blamed'])).toEqual([
    ['settler/0004'],
    ['settler/0004'],
    ['settler/0004'],
  ])
  expect(world.record.eventsOf('cell.lost')[0]!.message).toContain('the loop was at spin (a.ts:1:2)')
  expect(world.record.eventsOf('cell.parted')).toMatchObject([
    { subject: 'settler/0004', facts: { named: true, count: 1 } },
  ])
  expect(world.fleet.view({ type: 'settler', number: 5 })).toMatchObject({ state: 'idle', restarts: 2 })
})

test('Evidence that names somebody who does not live in the cell names nobody', async () => {
  const world = await openWorld({ types: [type(10, 5)], oomKills: 0 })
  await world.clock.advance(500)
  world.cells
    .of('settler/0001')
    .endWith({ kind: 'blocked', source: 'watch', agent: 'settler/0009', forMs: 1, stack: [] })
  await world.clock.advance(1_000)
  expect(world.record.eventsOf('cell.lost')).toMatchObject([
    { facts: { blamed: [], witness: { agent: 'settler/0009' } } },
  ])
})

test('A host that is stopped from outside, found silent and ended, parts nobody', async () => {
  const world = await openWorld({ types: [type(10, 10)], oomKills: 0 })
  world.states.fallback = 'T'
  await world.clock.advance(500)
  for (let round = 0; round < 3; round += 1) {
    for (const cell of world.cells.living) cell.hung = true
    await world.clock.advance(25_000)
  }
  expect(world.record.eventsOf('cell.lost').length).toBe(3)
  expect(world.record.eventsOf('cell.parted')).toEqual([])
})

test('The next sitter finds parts as they were, and leads them home', async () => {
  const clock = new VirtualClock()
  const first = await openWorld({ types: [type(20, 20)], oomKills: 0, clock })
  await first.clock.advance(500)
  for (let round = 0; round < 2; round += 1) {
    first.cells.of('settler/0001').end('exit', 'exit code 3')
    await first.clock.advance(1_000)
  }
  expect(first.fleet.summary().cells).toBe(10)
  const parts = (world: World): string[] =>
    [...world.cells.living].map((cell) => [...cell.seats.keys()].toSorted().join()).toSorted()
  const before = parts(first)
  first.record.epoch = 2
  const second = await openWorld({ types: [type(20, 20)], oomKills: 0, clock, record: first.record, epoch: 2 })
  await clock.advance(1_000)
  expect(parts(second)).toEqual(before)
  // One at a time: nobody follows before the one on its way has arrived.
  while (second.fleet.view({ type: 'settler', number: 2 })!.apart !== undefined) await clock.advance(100)
  const home = second.cells.of('settler/0001')
  home.hidden.add('settler/0011')
  while (!home.seats.has('settler/0011')) await clock.advance(100)
  await clock.advance(5_000)
  expect(home.seats.has('settler/0012')).toBe(false)
  home.hidden.clear()
  await clock.advance(60_000)
  expect(second.cells.living.size).toBe(1)
  expect(second.fleet.summary().byState).toEqual({ idle: 20 })
  expect(second.record.eventsOf('cell.rejoined').length).toBe(10)
})

test('One that is always at work goes home when it has finished, and gets nothing new before', async () => {
  const world = await openWorld({ types: [type(2, 2)], oomKills: 0 })
  await world.clock.advance(500)
  for (let round = 0; round < 2; round += 1) {
    for (const cell of world.cells.living) cell.end('exit', 'exit code 3')
    await world.clock.advance(1_000)
  }
  expect(world.cells.living.size).toBe(2)
  world.give('att_1')
  world.give('att_2')
  await world.clock.advance(30_000)
  expect(world.cells.living.size).toBe(2)
  await world.cells.of('settler/0001').finish('settler/0001')
  await world.clock.settle()
  expect(world.state('settler/0001')).toBe('idle')
  expect(world.fleet.take('settler', 2)).toEqual([])
  await world.cells.of('settler/0002').finish('settler/0002')
  await world.clock.advance(30_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 2 })
  expect(world.cells.living.size).toBe(1)
  expect(world.lost).toEqual([])
})

test('A host whose memory climbs is drained and replaced before it is full; no loss, no restart, one at a time', async () => {
  const world = await openWorld({ types: [type(20, 5)], oomKills: 0 })
  await world.clock.advance(20_000)
  const [busy, ...others] = [...world.cells.living]
  const agent = [...busy!.seats.keys()][0]!
  for (let round = 0; ; round += 1) {
    const given = world.give(`att_${round}`)
    if (given === agent) break
    await world.cells.of(given!).finish(given!)
  }
  for (const cell of world.cells.living) world.resident.set(cell.identity.pid, 300e6)
  await world.clock.advance(25_000)
  const recycling = world.record.eventsOf('cell.recycling').length
  expect(recycling).toBeGreaterThan(0)
  expect([busy!, ...others].filter((cell) => !cell.ended).length).toBeGreaterThan(0)
  if (!busy!.ended) await busy!.finish(agent)
  await world.clock.advance(200_000)
  expect(world.record.eventsOf('cell.recycled').length).toBe(4)
  expect(world.record.eventsOf('cell.lost')).toEqual([])
  expect(world.lost).toEqual([])
  expect(world.fleet.summary()).toMatchObject({ restarts: 0, cellsLost: 0, byState: { idle: 20 } })
})
