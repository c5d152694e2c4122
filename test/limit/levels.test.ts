/** Higher first, low ones not never, and fair among equals. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openBuckets, openLines } from '../../src/limit/limit.ts'
import { levelOrder, Levels } from '../../src/limit/levels.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock } from './clock.ts'

const tenPerSecond: RatedLimit = {
  per: 'upstream',
  rate: { count: 10, windowMs: 1_000 },
  burst: 1,
  guard: 0,
  window: 'smooth',
  match: [],
  weights: [],
}
const slotMs = 100

const open = () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const lines = openLines({ clock, buckets })
  const served: { readonly name: string; readonly priority: number; readonly waitedMs: number }[] = []
  const ask = (name: string, priority: number, more: { readonly agent?: string; readonly weight?: number } = {}) => {
    const { agent = name, weight = 1 } = more
    const scope = { upstream: 'bank', credential: 'a', agent }
    const limits = buckets.applied([tenPerSecond], scope, { endpoint: '', learn: false, breaker: null, weigh: () => 1 })
    lines.wait({
      scope,
      limits,
      granted: false,
      priority,
      weight,
      waitMs: 600_000,
      decided: (admission) => {
        if (!admission.admitted) return
        served.push({ name, priority, waitedMs: admission.waitedMs })
        buckets.sent(limits, clock.monoMs())
        buckets.ended(limits, null)
        lines.wake('bank')
      },
    })
  }
  return { clock, ask, served }
}

test('A flood of low calls keeps a high one from at most one place, whenever it comes', () => {
  const { clock, ask, served } = open()
  for (let index = 0; index < 500; index += 1) ask(`low${index}`, 1)
  const random = seeded(7)
  for (let index = 0; index < 40; index += 1) {
    // So far apart that none waits behind another high one.
    clock.advance(Math.ceil(250 + random.next() * 500))
    ask(`high${index}`, 9)
  }
  clock.advance(1_000)
  const high = served.filter(({ priority }) => priority === 9)
  expect(high).toHaveLength(40)
  for (const { waitedMs } of high) expect(waitedMs).toBeLessThanOrEqual(2 * slotMs)
})

test('Low calls get the tenth place while high ones never cease, the one that waits longest first', () => {
  const { clock, ask, served } = open()
  for (let index = 0; index < 10; index += 1) {
    ask(`low${index}`, index % 2)
    clock.advance(1)
  }
  for (let index = 0; index < 30; index += 1) ask(`high${index}`, 8)
  const more = { count: 0 }
  for (let step = 0; step < 300; step += 1) {
    clock.advance(slotMs)
    ask(`more${(more.count += 1)}`, 8)
  }
  const low = served.filter(({ priority }) => priority < 2)
  expect(low.map(({ name }) => name)).toEqual(Array.from({ length: 10 }, (_, index) => `low${index}`))
  // The first of them stood there before anybody else came.
  for (const { waitedMs } of low) expect(waitedMs).toBeLessThanOrEqual(11 * 10 * slotMs)
})

test('Agents of one level share by what their calls weigh', () => {
  const { clock, ask, served } = open()
  const refill = (agent: string): void => ask(agent, 5, { agent, weight: agent === 'heavy' ? 5 : 1 })
  for (const agent of ['heavy', 'a', 'b', 'c']) for (let index = 0; index < 10; index += 1) refill(agent)
  for (let step = 0; step < 320; step += 1) {
    const before = served.length
    clock.advance(slotMs)
    for (const { name } of served.slice(before)) refill(name)
  }
  const share = (agent: string): number => served.filter(({ name }) => name === agent).length
  expect(share('a') / share('heavy')).toBeGreaterThan(4)
  expect(share('a') / share('heavy')).toBeLessThan(6)
  expect(Math.abs(share('a') - share('b'))).toBeLessThan(0.1 * share('a'))
})

test('Nobody is looked at twice, nobody is forgotten, and without a reserved place the order is that of the levels', () => {
  const head = fc.record({ priority: fc.integer({ min: 0, max: 9 }), sinceMs: fc.integer({ min: 0, max: 100 }) })
  const heads = fc
    .uniqueArray(head, { selector: ({ priority }) => priority })
    .map((all) => all.toSorted((one, other) => other.priority - one.priority))
  fc.assert(
    fc.property(heads, fc.integer({ min: 0, max: 12 }), (all, passed) => {
      const order = levelOrder(all, passed)
      expect(order.toSorted((one, other) => other.priority - one.priority)).toEqual(all)
      if (passed < 9 || all.length < 2) expect(order).toEqual(all)
      else expect(order[0]!.sinceMs).toBe(Math.min(...all.map(({ sinceMs }) => sinceMs)))
    }),
  )
})

test('A level in which nobody waits is forgotten', () => {
  const levels = new Levels<Parameters<Levels<never>['push']>[0]>()
  expect(levels.size).toBe(0)
  expect(levels.inOrder()).toEqual([])
  expect(levels.ahead('a', 5)).toBe(0)
})
