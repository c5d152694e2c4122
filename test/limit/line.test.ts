import { expect, test } from 'vitest'
import { openBuckets, openLines, type Admission } from '../../src/limit/limit.ts'
import type { LimitOwner, RatedLimit } from '../../src/model/model.ts'
import { FairQueue } from '../../src/limit/turns.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock } from './clock.ts'

const perSecond = (count: number, burst: number, per: LimitOwner = 'upstream'): RatedLimit => ({
  per,
  rate: { count, windowMs: 1_000 },
  burst,
  guard: 0,
  window: 'smooth',
  match: [],
  weights: [],
})

const waitFor = (seconds: number) => ({
  headers: [['retry-after', String(seconds)]] as const,
  gauges: [],
  learn: false,
  knownLimits: {},
})

interface Asked {
  readonly granted?: boolean
  readonly agent?: string
  readonly waitMs?: number
  readonly priority?: number
  readonly weight?: number
}

const open = (rules: readonly RatedLimit[]) => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const lines = openLines({ clock, buckets })
  const order: string[] = []
  const results = new Map<string, Admission>()
  /** Asks for a place, and sends as soon as it is admitted. */
  const ask = (name: string, options: Asked = {}): (() => void) => {
    const scope = { upstream: 'bank', credential: 'a', agent: options.agent ?? 'payer/0001' }
    const limits = buckets.applied(rules, scope)
    return lines.wait({
      scope,
      limits,
      granted: options.granted ?? true,
      priority: options.priority ?? 5,
      weight: options.weight ?? 1,
      waitMs: options.waitMs ?? 60_000,
      decided: (admission) => {
        results.set(name, admission)
        order.push(name)
        if (!admission.admitted) return
        buckets.sent(limits, clock.monoMs())
        buckets.ended(limits, null)
        lines.wake('bank')
      },
    })
  }
  return { clock, buckets, lines, ask, order, results }
}

test('those who wait go first come first served, each at the exact moment', () => {
  const { clock, ask, order, results } = open([perSecond(10, 1)])
  for (let index = 0; index < 5; index += 1) ask(`g${index}`)
  expect(order).toEqual(['g0'])
  clock.advance(99)
  expect(order).toEqual(['g0'])
  clock.advance(1)
  expect(order).toEqual(['g0', 'g1'])
  clock.advance(300)
  expect(order).toEqual(['g0', 'g1', 'g2', 'g3', 'g4'])
  expect(results.get('g4')).toEqual({ admitted: true, waitedMs: 400 })
})

test("payments and agents' own calls take turns, so that neither starves the other", () => {
  const { clock, ask, order } = open([perSecond(10, 1)])
  for (let index = 0; index < 4; index += 1) ask(`own${index}`, { granted: false })
  for (let index = 0; index < 4; index += 1) ask(`grant${index}`)
  clock.advance(2_000)
  expect(order).toEqual(['own0', 'grant0', 'own1', 'grant1', 'own2', 'grant2', 'own3', 'grant3'])
})

test('Ten agents that want more than there is get the same, however many calls each has waiting', () => {
  const { clock, ask, order } = open([perSecond(100, 1)])
  const want = (agent: number, count: number): void => {
    for (let index = 0; index < count; index += 1) ask(`${agent}`, { granted: false, agent: `a/${agent}` })
  }
  // One floods first, the others ask for less than that, and again when they have been served.
  want(0, 32)
  for (let agent = 1; agent < 10; agent += 1) want(agent, 3)
  for (let step = 0; step < 200; step += 1) {
    clock.advance(10)
    const served = order.at(-1)!
    want(Number(served), 1)
  }
  const shares = Array.from({ length: 10 }, (_, agent) => order.filter((one) => one === String(agent)).length)
  for (const share of shares) expect(share / (order.length / 10)).toBeCloseTo(1, 1)
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(0.1 * (order.length / 10))
})

test('Who comes new waits behind nobody’s flood', () => {
  const { clock, ask, order } = open([perSecond(10, 1)])
  for (let index = 0; index < 30; index += 1) ask(`flood${index}`, { granted: false, agent: 'a/1' })
  clock.advance(500)
  ask('new', { granted: false, agent: 'a/2' })
  clock.advance(200)
  expect(order.slice(-2)).toContain('new')
})

test('What an agent gave up waiting for is not held against it when its upstream works again', () => {
  const queue = new FairQueue<{ scope: { agent: string }; weight: number; left: boolean; turn: number }>()
  const push = (agent: string) => {
    const one = { scope: { agent }, weight: 1, left: false, turn: 0 }
    queue.push(one)
    return one
  }
  for (let round = 0; round < 20; round += 1) {
    for (const one of Array.from({ length: 32 }, () => push('a/1'))) one.left = true
    queue.forget()
  }
  for (let index = 0; index < 20; index += 1) push('a/2')
  push('a/1')
  expect(queue.waiters.findIndex(({ scope }) => scope.agent === 'a/1')).toBeLessThan(2)
  // What was served counts on: whoever had its turn begins after it.
  const served = queue.waiters[0]!
  queue.served(served)
  served.left = true
  queue.forget()
  expect(push('a/2').turn).toBe(20)
})

test('an agent at its own limit lets the others pass', () => {
  const { clock, ask, order } = open([perSecond(100, 50), perSecond(2, 1, 'agent')])
  ask('a1', { granted: false, agent: 'a' })
  ask('a2', { granted: false, agent: 'a' })
  ask('b1', { granted: false, agent: 'b' })
  expect(order).toEqual(['a1', 'b1'])
  clock.advance(1_000)
  expect(order).toEqual(['a1', 'b1', 'a2'])
})

test("who has waited long enough is told when to come back, and one agent's flood is refused at its bound", () => {
  const { clock, ask, results } = open([perSecond(1, 1)])
  ask('first')
  ask('late', { waitMs: 200 })
  clock.advance(400)
  const late = results.get('late')
  expect(late).toMatchObject({ admitted: false, why: 'over' })
  expect(late?.admitted === false && late.retryAfterMs).toBeGreaterThan(500)
  for (let index = 0; index < 33; index += 1) ask(`flood${index}`, { granted: false })
  expect(results.get('flood32')).toMatchObject({ admitted: false, why: 'full' })
  expect(results.has('flood31')).toBe(false)
})

test('leaving frees the place, and all leave when the sitter is gone', () => {
  const { clock, ask, lines, results, order } = open([perSecond(2, 1)])
  ask('one')
  const leave = ask('two')
  ask('three')
  ask('own', { granted: false })
  leave()
  leave()
  expect(results.get('two')).toMatchObject({ admitted: false, why: 'dropped' })
  clock.advance(1_000)
  expect(order).toEqual(['one', 'two', 'own'])
  lines.dropAll()
  expect(results.get('three')).toMatchObject({ why: 'dropped' })
  expect(lines.waiting()).toBe(0)
})

test('Retry-After stops the whole scope for at least as long, and longer answers are not shortened by later ones', () => {
  const { clock, ask, buckets, order } = open([perSecond(1_000, 100)])
  const scope = { upstream: 'bank', credential: 'a', agent: null }
  expect(buckets.answered(scope, { status: 429, ...waitFor(3), sentMs: clock.monoMs() })).toBe(true)
  expect(buckets.answered(scope, { status: 429, ...waitFor(1), sentMs: clock.monoMs() })).toBe(false)
  ask('after')
  clock.advance(3_000)
  expect(order).toEqual([])
  clock.advance(400)
  expect(order).toEqual(['after'])
  expect(buckets.pausedUntil({ upstream: 'other', credential: 'a', agent: null })).toBe(-Infinity)
})

test('a wait that must outlast the pause is refused at once with the time to come back', () => {
  const { clock, ask, buckets, results } = open([])
  buckets.answered(
    { upstream: 'bank', credential: 'a', agent: null },
    { status: 503, ...waitFor(60), sentMs: clock.monoMs() },
  )
  ask('impatient', { waitMs: 1_000 })
  const answer = results.get('impatient')
  expect(answer?.admitted === false && answer.retryAfterMs).toBeGreaterThanOrEqual(60_000)
})

test('what is saved is resumed: a pause over a restart, a used bucket over a reboot with a jumping wall clock', () => {
  const rules = [
    perSecond(2, 1),
    {
      per: 'credential',
      rate: { count: 10, windowMs: 3_600_000 },
      burst: 5,
      guard: 0,
      window: 'smooth',
      match: [],
      weights: [],
    } as const,
  ]
  const { clock, buckets } = open(rules)
  const scope = { upstream: 'bank', credential: 'a', agent: null }
  const limits = buckets.applied(rules, scope)
  for (let index = 0; index < 5; index += 1) {
    buckets.admit(limits)
    buckets.sent(limits, clock.monoMs())
  }
  buckets.answered(scope, { status: 429, ...waitFor(100), sentMs: clock.monoMs() })
  const saved = buckets.changed()
  expect(buckets.changed()).toEqual([])
  clock.advance(10_000)
  const restarted = openBuckets({ clock, random: seeded(1), saved })
  const again = restarted.applied(rules, scope)
  expect(restarted.pausedUntil(scope) - clock.monoMs()).toBeGreaterThanOrEqual(90_000)
  expect(restarted.readyAt(again, clock.monoMs()).atMs - clock.monoMs()).toBeGreaterThan(340_000)
  clock.reboot()
  clock.jump(-7_200_000)
  const rebooted = openBuckets({ clock, random: seeded(1), saved })
  const leftMs = rebooted.readyAt(rebooted.applied(rules, scope), clock.monoMs()).atMs - clock.monoMs()
  expect(leftMs).toBeGreaterThan(340_000)
  expect(leftMs).toBeLessThanOrEqual(3_600_000)
})
