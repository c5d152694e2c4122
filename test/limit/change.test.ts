/** Limits that change while calls are sent and wait. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openBuckets, type Buckets } from '../../src/limit/limit.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { shapeOf } from '../../src/limit/shape.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock, type HandClock } from './clock.ts'

const scope = { upstream: 'bank', credential: 'a', agent: 'payer/0001' }
const rule = fc.record({
  per: fc.constantFrom('upstream' as const, 'credential' as const, 'agent' as const),
  rate: fc.record({ count: fc.integer({ min: 1, max: 40 }), windowMs: fc.constantFrom(1_000, 10_000) }),
  burst: fc.integer({ min: 1, max: 50 }),
  guard: fc.constantFrom(0, 0.05),
  window: fc.constant('smooth' as const),
  match: fc.constant([]),
  weights: fc.constant([]),
})
const rules = fc.array(rule, { minLength: 1, maxLength: 3 })

const open = (): { clock: HandClock; buckets: Buckets } => {
  const clock = handClock()
  return { clock, buckets: openBuckets({ clock, random: seeded(1), saved: [] }) }
}

/** Sends as fast as the limits allow for this long; gives when. */
const greedy = ({ clock, buckets }: ReturnType<typeof open>, by: readonly RatedLimit[], forMs: number): number[] => {
  const times: number[] = []
  const untilMs = clock.monoMs() + forMs
  for (;;) {
    const limits = buckets.applied(by, scope)
    const { atMs } = buckets.readyAt(limits, clock.monoMs())
    if (atMs > untilMs) break
    clock.advance(Math.max(0, atMs - clock.monoMs()))
    buckets.admit(limits)
    buckets.sent(limits, clock.monoMs())
    buckets.ended(limits, null)
    times.push(clock.monoMs())
  }
  clock.advance(untilMs - clock.monoMs())
  return times
}

test('whatever the limits were, and how often they change: what is sent under the new ones never exceeds them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(rules, fc.integer({ min: 0, max: 15_000 })), { minLength: 2, maxLength: 4 }),
      (turns) => {
        const world = open()
        for (const [index, [by, forMs]] of turns.entries()) {
          if (index > 0) world.buckets.renew({ name: 'bank' }, by)
          const times = greedy(world, by, forMs)
          for (const one of by) {
            const { count, windowMs } = shapeOf(one)
            for (const from of times)
              expect(times.filter((atMs) => atMs >= from && atMs <= from + windowMs).length).toBeLessThanOrEqual(count)
          }
        }
      },
    ),
    { numRuns: 400 },
  )
})

test('a burst that was just sent counts: the first call under another limit waits as for an empty bucket', () => {
  const world = open()
  const of = (count: number, per: RatedLimit['per'] = 'upstream'): RatedLimit[] => [
    { per, rate: { count, windowMs: 1_000 }, burst: 5, guard: 0, window: 'smooth', match: [], weights: [] },
  ]
  expect(greedy(world, of(40), 0)).toHaveLength(5)
  for (const next of [of(20), of(20, 'agent'), of(41)]) {
    world.buckets.renew({ name: 'bank' }, next)
    expect(greedy(world, next, 20)).toEqual([])
    expect(greedy(world, next, 10_000).length).toBeGreaterThan(140)
    greedy(world, next, 0)
  }
  // The same limit, written again, is no change.
  const before = world.buckets.readyAt(world.buckets.applied(of(41), scope), world.clock.monoMs())
  world.buckets.renew({ name: 'bank' }, of(41))
  expect(world.buckets.readyAt(world.buckets.applied(of(41), scope), world.clock.monoMs())).toEqual(before)
})

test('a call that was admitted before and leaves after is charged by the new limit, and its place comes back', () => {
  const { clock, buckets } = open()
  const by = (count: number): RatedLimit[] => [
    { per: 'upstream', rate: { count, windowMs: 1_000 }, burst: 5, guard: 0, window: 'smooth', match: [], weights: [] },
  ]
  const old = buckets.applied(by(40), scope)
  buckets.admit(old)
  buckets.admit(old)
  buckets.renew({ name: 'bank' }, by(2))
  const next = buckets.applied(by(2), scope)
  clock.advance(10_000)
  expect(buckets.readyAt(next, clock.monoMs()).atMs).toBe(Infinity)
  buckets.sent(old, clock.monoMs())
  buckets.giveUp(old)
  expect(buckets.readyAt(next, clock.monoMs()).atMs).toBe(clock.monoMs() + 500)
  clock.advance(500)
  expect(buckets.readyAt(next, clock.monoMs()).atMs).toBe(clock.monoMs())
})
