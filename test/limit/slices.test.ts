/** Limits of which several hosts have a slice each: together they never show a provider more than the whole. */
import { expect, test } from 'vitest'
import { openBuckets } from '../../src/limit/limit.ts'
import type { RatedLimit, UpstreamLimit } from '../../src/model/model.ts'
import { shareHere, type Slices } from '../../src/limit/slices.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock } from './clock.ts'

const scope = { upstream: 'bank', credential: 'a', agent: 'payer/0001' }
const rule = (window: RatedLimit['window'], count = 100): RatedLimit => ({
  per: 'upstream',
  rate: { count, windowMs: 1_000 },
  burst: 10,
  guard: 0,
  window,
  match: [],
  weights: [],
})
const lend =
  (share: () => number, untilMs: () => number = () => Infinity): Slices =>
  (limit) => ({ limit, share: share(), untilMs: untilMs() })

/** Sends whatever may go, every ms; gives when. */
const host = (clock: ReturnType<typeof handClock>, of: UpstreamLimit, slices?: Slices) => {
  const buckets = openBuckets({ clock, random: seeded(1), saved: [], ...(slices && { slices }) })
  const sent: number[] = []
  return {
    sent,
    step: (): void => {
      for (;;) {
        const gauges = buckets.applied([of], scope)
        if (buckets.readyAt(gauges, clock.monoMs()).atMs > clock.monoMs()) return
        buckets.admit(gauges)
        buckets.sent(gauges, clock.monoMs())
        buckets.ended(gauges, false)
        sent.push(clock.monoMs())
      }
    },
  }
}
const mostIn = (times: readonly number[]): number =>
  Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length))

test('One host has all of a limit, for ever', () => {
  expect(shareHere(undefined, 'any', 1e15)).toBe(1)
  expect(shareHere(() => undefined, 'any', 0)).toBe(0)
  expect(
    shareHere(
      lend(
        () => 0.5,
        () => 10,
      ),
      'any',
      9,
    ),
  ).toBe(0.5)
  expect(
    shareHere(
      lend(
        () => 0.5,
        () => 10,
      ),
      'any',
      10,
    ),
  ).toBe(0)
})

test.each(['smooth', 'sliding'] as const)(
  'Three hosts with slices of a %s limit stay within it, also while they change',
  (window) => {
    const clock = handClock()
    const startMs = clock.monoMs()
    // In the third second the first gives half of its slice to the last, which has it a window later.
    const secondsIn = (): number => (clock.monoMs() - startMs) / 1_000
    const shares = [() => (secondsIn() < 3 ? 0.5 : 0.25), () => 0.25, () => (secondsIn() < 4 ? 0.25 : 0.5)]
    const hosts = shares.map((share) => host(clock, rule(window), lend(share)))
    for (let ms = 0; ms < 8_000; ms += 1) {
      for (const one of hosts) one.step()
      clock.advance(1)
    }
    expect(mostIn(hosts.flatMap(({ sent }) => sent))).toBeLessThanOrEqual(100)
    const late = hosts.map(({ sent }) => sent.filter((at) => at >= startMs + 6_000).length)
    expect(late[2]! / late[0]!).toBeCloseTo(2, 0)
    expect(hosts.flatMap(({ sent }) => sent).length).toBeGreaterThan(600)
  },
)

test('When a slice is over nothing of it goes, and what waited goes on with the next one', () => {
  const clock = handClock()
  const lent = { untilMs: clock.monoMs() + 500 }
  const one = host(
    clock,
    rule('smooth', 10),
    lend(
      () => 0.5,
      () => lent.untilMs,
    ),
  )
  for (let ms = 0; ms < 3_000; ms += 1) {
    one.step()
    clock.advance(1)
  }
  expect(one.sent.length).toBeLessThanOrEqual(5)
  expect(one.sent.every((at) => at < lent.untilMs)).toBe(true)
  const before = one.sent.length
  lent.untilMs = Infinity
  for (let ms = 0; ms < 3_000; ms += 1) {
    one.step()
    clock.advance(1)
  }
  expect(one.sent.length).toBeGreaterThan(before + 10)
})

test('A slice of less than one call, or of less than one at once, is none', () => {
  const clock = handClock()
  const tenth = lend(() => 0.1)
  for (const of of [rule('sliding', 5), { per: 'upstream', concurrent: 5, match: [] } as const]) {
    const one = host(clock, of, tenth)
    one.step()
    expect(one.sent).toEqual([])
  }
})
