/** Limits over upstreams: one decision with all others, played against providers that count where calls arrive. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { openBuckets, openLines, type Admission, type Buckets } from '../../src/limit/limit.ts'
import type { ConcurrencyLimit, RatedLimit, SwarmLimit, UpstreamLimit } from '../../src/model/model.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock, type HandClock } from './clock.ts'

const rated = (count: number, more: Partial<RatedLimit> = {}): RatedLimit => ({
  per: 'upstream',
  rate: { count, windowMs: 1_000 },
  burst: Math.max(1, Math.floor(count / 10)),
  guard: 0.05,
  window: 'smooth',
  match: [],
  weights: [],
  ...more,
})
type Over = Partial<Omit<SwarmLimit, 'per'>> & Pick<SwarmLimit, 'per'>
const over = (count: number, { per, ...more }: Over & Partial<Pick<RatedLimit, 'window' | 'burst' | 'guard'>>) =>
  ({ ...rated(count), name: `${per}s`, types: [], upstreams: [], ...more, per }) as SwarmLimit

/** Most in any closed second. */
const most = (times: readonly number[]): number => {
  const sorted = times.toSorted((one, other) => one - other)
  let [found, from] = [0, 0]
  for (const [index, at] of sorted.entries()) {
    while (at - sorted[from]! > 1_000) from += 1
    found = Math.max(found, index - from + 1)
  }
  return found
}

interface Ask {
  readonly upstream?: string
  readonly agent?: string
  readonly priority?: number
  readonly granted?: boolean
  readonly waitMs?: number
  readonly name?: string
}
interface Arrived extends Required<Pick<Ask, 'upstream' | 'agent' | 'name'>> {
  readonly atMs: number
}
type Saved = Parameters<typeof openBuckets>[0]['saved']
interface World {
  readonly own?: Readonly<Record<string, readonly UpstreamLimit[]>>
  readonly saved?: Saved
  readonly clock?: HandClock
  /** How long a call to an upstream is on its way, and until its answer is here. */
  readonly wayMs?: (upstream: string) => number
  readonly backMs?: (upstream: string) => number
}

const open = (limits: readonly SwarmLimit[], world: World = {}) => {
  const { own = {}, saved = [], clock = handClock(), wayMs = () => 1, backMs = () => 1 } = world
  const buckets: Buckets = openBuckets({ clock, random: seeded(1), saved })
  const lines = openLines({ clock, buckets })
  const arrived: Arrived[] = []
  const refused: (Admission & { readonly admitted: false })[] = []
  const ask = (asked: Ask): void => {
    const { upstream = 'bank', agent = 'payer/0001', priority = 5, granted = false, waitMs = 60_000 } = asked
    const scope = { upstream, host: `${upstream}:443`, credential: 'a', agent }
    const gauges = [
      ...buckets.applied(own[upstream] ?? [], scope),
      ...buckets.overUpstreams(
        limits.filter(({ upstreams }) => upstreams.length === 0 || upstreams.includes(upstream)),
        scope,
      ),
    ]
    const decided = (admission: Admission): void => {
      if (!admission.admitted) return void refused.push(admission)
      const sentMs = clock.monoMs()
      buckets.sent(gauges, sentMs)
      const way = wayMs(upstream)
      arrived.push({ upstream, agent, name: asked.name ?? agent, atMs: sentMs + way })
      clock.timer(way + backMs(upstream), () => {
        for (const gauge of gauges) gauge.heard?.(clock.monoMs())
        buckets.ended(gauges, false)
        lines.wake(upstream)
      })
      // As the gate does: whoever left may have made room.
      clock.timer(0, () => lines.wake(upstream))
    }
    lines.wait({ scope, limits: gauges, granted, priority, weight: 1, waitMs, decided })
  }
  return { clock, buckets, lines, ask, arrived, refused }
}
const timesOf = (arrived: readonly Arrived[], of: (one: Arrived) => boolean = () => true): readonly number[] =>
  arrived.filter(of).map(({ atMs }) => atMs)

property.prop(
  [
    fc.constantFrom('smooth' as const, 'sliding' as const),
    fc.array(fc.tuple(fc.integer({ min: 500, max: 8_000 }), fc.integer({ min: 50, max: 2_000 })), { maxLength: 3 }),
    fc.integer(),
  ],
  { numRuns: 10 },
)(
  'No provider, and not all of them together, ever sees more than any of the limits over them',
  (window, stalls, seed) => {
    const random = seeded(seed)
    const clock = handClock()
    const startMs = clock.monoMs()
    // The second of them stalls, and then sees all at once.
    const wayMs = (upstream: string): number => {
      let atMs = clock.monoMs() - startMs + 1 + random.next() * 4
      // A stall may begin in another one: on one way nobody overtakes.
      const stallAt = (): (typeof stalls)[number] | undefined =>
        upstream === 'bank' ? undefined : stalls.find(([from, forMs]) => atMs >= from && atMs < from + forMs)
      for (let stall = stallAt(); stall !== undefined; stall = stallAt()) atMs = stall[0] + stall[1]
      return atMs - (clock.monoMs() - startMs)
    }
    const limits = [
      over(60, { per: 'swarm', window }),
      over(40, { per: 'type', window }),
      over(20, { per: 'agent', window }),
    ]
    const world = open(limits, { clock, own: { shop: [rated(30)] }, wayMs, backMs: () => 1 + random.next() * 20 })
    const agents = ['payer/0001', 'payer/0002', 'payer/0003', 'writer/0001', 'writer/0002']
    for (let step = 0; step < 500; step += 1) {
      for (const agent of agents) world.ask({ agent, upstream: random.next() < 0.5 ? 'bank' : 'shop', waitMs: 500 })
      clock.advance(10)
    }
    clock.advance(5_000)
    const { arrived } = world
    expect(most(timesOf(arrived))).toBeLessThanOrEqual(60)
    expect(most(timesOf(arrived, ({ upstream }) => upstream === 'shop'))).toBeLessThanOrEqual(30)
    for (const type of ['payer', 'writer'])
      expect(most(timesOf(arrived, ({ agent }) => agent.startsWith(type)))).toBeLessThanOrEqual(40)
    for (const agent of agents) expect(most(timesOf(arrived, (one) => one.agent === agent))).toBeLessThanOrEqual(20)
    // And it is used, but for what a stalled provider leaves open.
    if (stalls.length === 0) expect(arrived.length).toBeGreaterThan(0.85 * 60 * 5)
  },
)

test('An agent’s limit is one over all upstreams, and holds nobody else up', () => {
  const { ask, clock, arrived } = open([over(10, { per: 'agent', burst: 1 })])
  for (let call = 0; call < 10; call += 1) {
    ask({ upstream: 'bank' })
    ask({ upstream: 'shop' })
  }
  for (let call = 0; call < 5; call += 1) ask({ agent: 'payer/0002' })
  ask({ agent: 'payer/0003' })
  clock.advance(1_000)
  expect(timesOf(arrived, ({ agent }) => agent === 'payer/0001').length).toBeLessThanOrEqual(10)
  expect(timesOf(arrived, ({ agent }) => agent === 'payer/0001').length).toBeGreaterThanOrEqual(8)
  // Both upstreams got some of it.
  const byUpstream = Map.groupBy(
    arrived.filter(({ agent }) => agent === 'payer/0001'),
    ({ upstream }) => upstream,
  )
  expect([...byUpstream.keys()].toSorted()).toEqual(['bank', 'shop'])
  expect(timesOf(arrived, ({ agent }) => agent === 'payer/0002')).toHaveLength(5)
  expect(arrived.findIndex(({ agent }) => agent === 'payer/0003')).toBeLessThan(4)
})

test('Whoever waits for the limit of its type lets the other types of its line pass', () => {
  const { ask, clock, arrived } = open([over(2, { per: 'type', types: ['payer'], burst: 1 })], {
    own: { bank: [rated(100, { burst: 1 })] },
  })
  for (let call = 0; call < 20; call += 1) ask({ agent: `payer/${String(call + 1).padStart(4, '0')}` })
  for (let call = 0; call < 20; call += 1) ask({ agent: `writer/${String(call + 1).padStart(4, '0')}` })
  clock.advance(400)
  expect(timesOf(arrived, ({ agent }) => agent.startsWith('writer'))).toHaveLength(20)
  expect(timesOf(arrived, ({ agent }) => agent.startsWith('payer')).length).toBe(1)
})

test('A limit for some upstreams or types counts no others', () => {
  const { ask, clock, arrived } = open([over(2, { per: 'swarm', upstreams: ['shop'], types: ['payer'], burst: 1 })])
  for (let call = 0; call < 10; call += 1) {
    ask({ upstream: 'bank' })
    ask({ upstream: 'shop', agent: 'writer/0001' })
    ask({ upstream: 'shop' })
  }
  clock.advance(900)
  const seen = Map.groupBy(arrived, ({ upstream, agent }) => `${upstream} ${agent}`)
  expect(seen.get('bank payer/0001')).toHaveLength(10)
  expect(seen.get('shop writer/0001')).toHaveLength(10)
  expect(seen.get('shop payer/0001')).toHaveLength(1)
})

test('A flood at one upstream keeps a call of high priority at another one from at most one place', () => {
  const { ask, clock, arrived } = open([over(20, { per: 'swarm', burst: 1 })])
  for (let agent = 0; agent < 20; agent += 1)
    for (let call = 0; call < 30; call += 1) ask({ agent: `payer/${agent}`, priority: 1 })
  for (let round = 0; round < 10; round += 1) {
    clock.advance(500)
    const from = arrived.length
    ask({ upstream: 'shop', agent: 'writer/0001', priority: 9, name: `high ${round}` })
    clock.advance(120)
    expect(arrived.slice(from, from + 2).map(({ name }) => name)).toContain(`high ${round}`)
  }
})

test('Lines that wait for one limit get about the same of it, however long one of them is', () => {
  const { ask, clock, arrived } = open([over(20, { per: 'swarm', burst: 1 })])
  for (let agent = 0; agent < 10; agent += 1) for (let call = 0; call < 10; call += 1) ask({ agent: `payer/${agent}` })
  for (let call = 0; call < 32; call += 1) ask({ upstream: 'shop', agent: 'writer/0001' })
  clock.advance(3_000)
  const shop = timesOf(arrived, ({ upstream }) => upstream === 'shop').length
  expect(Math.abs(shop - arrived.length / 2)).toBeLessThanOrEqual(12)
})

test('Calls at once over all upstreams: whoever ends lets one of any line go', () => {
  const atOnce: SwarmLimit & ConcurrencyLimit = {
    name: 'x',
    per: 'swarm',
    concurrent: 1,
    match: [],
    types: [],
    upstreams: [],
  }
  const { ask, clock, arrived } = open([atOnce], { wayMs: () => 50, backMs: () => 50 })
  for (const upstream of ['bank', 'shop', 'mail']) for (let call = 0; call < 3; call += 1) ask({ upstream })
  clock.advance(2_000)
  expect(arrived).toHaveLength(9)
  const times = timesOf(arrived)
  for (const [index, at] of times.slice(1).entries()) expect(at - times[index]!).toBeGreaterThanOrEqual(100)
  expect(new Set(arrived.map(({ upstream }) => upstream)).size).toBe(3)
})

test('Who would wait too long for its type is told a time of its own, behind those who were told before', () => {
  const { ask, refused, clock } = open([over(10, { per: 'type', burst: 1, guard: 0 })])
  for (let agent = 0; agent < 200; agent += 1) ask({ agent: `payer/${agent}`, waitMs: 2_000 })
  clock.advance(1)
  expect(refused.length).toBeGreaterThan(150)
  expect(refused.every(({ why, own }) => why === 'over' && own === true)).toBe(true)
  const back = refused.map(({ retryAfterMs }) => retryAfterMs)
  expect(back[0]).toBeGreaterThan(1_500)
  expect(back.at(-1)! - back[0]!).toBeGreaterThan(0.8 * 100 * (back.length - 1))
  expect(new Set(back).size).toBe(back.length)
})

test('A restart at any moment lets no window of them be exceeded', () => {
  for (const window of ['smooth', 'sliding'] as const) {
    const limits = [over(20, { per: 'agent', window }), over(30, { per: 'swarm', window })]
    const clock = handClock()
    const all: Arrived[] = []
    let saved: Saved = []
    const rows = new Map<string, Saved[number]>()
    for (let life = 0; life < 6; life += 1) {
      const world = open(limits, { clock, saved })
      for (let call = 0; call < 30; call += 1)
        for (const upstream of ['bank', 'shop']) {
          world.ask({ upstream })
          world.ask({ upstream, agent: 'writer/0001' })
        }
      clock.advance(300 + life * 170)
      world.lines.dropAll()
      all.push(...world.arrived)
      for (const row of world.buckets.changed()) rows.set(row.name, row)
      saved = [...rows.values()]
    }
    expect(most(timesOf(all))).toBeLessThanOrEqual(30)
    for (const of of ['payer/0001', 'writer/0001'])
      expect(most(timesOf(all, ({ agent }) => agent === of))).toBeLessThanOrEqual(20)
    expect(all.length).toBeGreaterThan(30)
  }
})

test('What is used of them is told for one agent, also by a gate that has not had a call of it yet', () => {
  for (const window of ['smooth', 'sliding'] as const) {
    const limits = [
      over(20, { per: 'agent', window }),
      over(40, { per: 'type', window, types: ['payer'] }),
      over(100, { per: 'swarm', window }),
    ]
    const clock = handClock()
    const { ask, buckets } = open(limits, { clock })
    for (let call = 0; call < 4; call += 1) ask({})
    ask({ agent: 'payer/0002' })
    clock.advance(300)
    const told = (by: Buckets, agent: string) => limits.map((limit) => by.swarmOf(limit, agent)?.used ?? null)
    expect(told(buckets, 'payer/0001')).toEqual([4, 5, 5])
    expect(told(buckets, 'payer/0002')).toEqual([1, 5, 5])
    expect(told(buckets, 'writer/0001')).toEqual([0, null, 5])
    expect(buckets.swarmOf(limits[1]!, 'payer/0001')).toMatchObject({ per: 'type', owner: 'payer', of: 38 })
    const next = open(limits, { clock, saved: buckets.changed() })
    expect(told(next.buckets, 'payer/0001')).toEqual([4, 5, 5])
    expect(told(next.buckets, 'writer/0001')).toEqual([0, null, 5])
    // To look takes nothing of it away: the window holds.
    for (let call = 0; call < 30; call += 1) next.ask({})
    clock.advance(300)
    expect(timesOf(next.arrived).length).toBeLessThanOrEqual(16)
    clock.advance(5_000)
    expect(told(next.buckets, 'payer/0002')).toEqual([0, 0, 0])
  }
})

test('A limit that becomes another one begins as if it were used up, also for who has not called yet', () => {
  const { buckets, clock } = open([])
  const limit = over(1, { per: 'agent' })
  const readyIn = (agent: string): number => {
    const scope = { upstream: 'bank', credential: 'a', agent }
    return buckets.readyAt(buckets.overUpstreams([limit], scope), clock.monoMs()).atMs - clock.monoMs()
  }
  buckets.renewOver(limit)
  expect(readyIn('payer/0002')).toBeGreaterThan(900)
  clock.advance(3_000)
  expect(readyIn('payer/0002')).toBe(0)
})

test('What is used of them is told by owner', () => {
  const limits = [over(10, { per: 'agent' }), over(20, { per: 'swarm' })]
  const { ask, buckets, clock } = open(limits)
  ask({ upstream: 'bank' })
  ask({ upstream: 'shop', agent: 'writer/0001' })
  clock.advance(1)
  expect(buckets.swarmUsage(limits[0]!)).toBe(null)
  expect(buckets.swarmUsage(limits[1]!)).toMatchObject({ used: 2, of: 19 })
  expect(buckets.swarmDomains(limits[0]!).map(({ owner, used }) => [owner, used])).toEqual([
    ['payer/0001', 1],
    ['writer/0001', 1],
  ])
})
