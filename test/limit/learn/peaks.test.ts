/** How many calls a provider takes at once, by its answers; played against one that counts for itself. */
import { expect, test } from 'vitest'
import { openBuckets, openLines, type Buckets } from '../../../src/limit/limit.ts'
import { between, seeded } from '../../../src/std/std.ts'
import type { LimitRow } from '../../../src/store/store.ts'
import { handClock, type HandClock } from '../clock.ts'

const scope = { upstream: 'api', credential: 'key', agent: 'a/0001' }
const watching = { endpoint: 'GET /**', learn: true, breaker: null }
const most = 8

interface World {
  readonly clock: HandClock
  readonly buckets: Buckets
  /** At the provider now, and the most that there ever were. */
  readonly at: { ours: number; others: number; peak: number }
  refused: number
  readonly done: number
  ask(): void
  until(ms: number): void
}

const open = (how: { readonly tellsLeft: boolean; readonly saved?: readonly LimitRow[] }): World => {
  const clock = handClock()
  const random = seeded(3)
  const buckets = openBuckets({ clock, random, saved: how.saved ?? [] })
  const lines = openLines({ clock, buckets })
  const at = { ours: 0, others: 0, peak: 0 }
  const world = { refused: 0, done: 0 }
  const headers = (): (readonly [string, string])[] => [
    ['RateLimit-Policy', `"peak";q=${most};qu="concurrent-requests"`],
    ...(how.tellsLeft ? [['RateLimit', `"peak";r=${Math.max(0, most - at.ours - at.others)}`] as const] : []),
  ]
  const send = (gauges: ReturnType<Buckets['applied']>): void => {
    const sentMs = clock.monoMs()
    buckets.sent(gauges, sentMs)
    const end = (status: number, told: readonly (readonly [string, string])[]): void => {
      const answer = { gauges, status, headers: told, sentMs, learn: true, knownLimits: {} }
      buckets.answered(scope, answer)
      if (status === 403) buckets.violated(scope, ['peak'])
      buckets.ended(gauges, false)
      lines.wake('api')
    }
    if (at.ours + at.others >= most) {
      world.refused += 1
      // By a problem document that names the policy.
      clock.timer(5, () => end(403, headers()))
      return
    }
    at.ours += 1
    at.peak = Math.max(at.peak, at.ours + at.others)
    clock.timer(between(random, 50, 400), () => {
      // Told while it has its place; the next one is free when this one has gone.
      const told = headers()
      at.ours -= 1
      world.done += 1
      end(200, told)
    })
  }
  return Object.assign(world, {
    clock,
    buckets,
    at,
    ask: () => {
      const gauges = buckets.applied([], scope, watching)
      const rest = { granted: false, priority: 5, weight: 1, waitMs: 60_000 }
      lines.wait({ scope, limits: gauges, ...rest, decided: (admission) => admission.admitted && send(gauges) })
    },
    until: (ms: number) => clock.advance(ms),
  })
}

/** As many as wait for an agent. */
const flood = (world: World, calls = 30): void => {
  for (let call = 0; call < calls; call += 1) world.ask()
}

test.each([[true], [false]])(
  'never more at once than it told, and all of them (what is left is told: %s)',
  (tellsLeft) => {
    const world = open({ tellsLeft })
    world.ask()
    world.until(1_000)
    expect(world.buckets.known(scope)).toMatchObject([{ name: 'peak at once', left: most }])
    flood(world)
    expect(world.at.ours).toBe(most)
    world.until(5_000)
    expect(world).toMatchObject({ done: 31, refused: 0, at: { ours: 0, peak: most } })
  },
)

test('others who use the same places are left theirs, and the places are ours again when they are gone', () => {
  const world = open({ tellsLeft: true })
  world.at.others = 5
  world.ask()
  world.until(1_000)
  flood(world)
  expect(world.at.ours).toBe(3)
  world.until(5_000)
  expect(world).toMatchObject({ refused: 0, at: { peak: most } })
  world.at.others = 0
  world.until(15_000)
  flood(world)
  world.until(1)
  expect(world.at.ours).toBe(most)
})

test('one that is refused although there should have been a place takes one less for a while', () => {
  const world = open({ tellsLeft: false })
  world.ask()
  world.until(1_000)
  world.at.others = 4
  flood(world)
  world.until(10)
  expect(world.refused).toBe(4)
  world.until(8_000)
  expect(world.refused).toBeLessThan(12)
  expect(world.at.peak).toBe(most)
})

test('a new gate knows it, for a day', () => {
  const first = open({ tellsLeft: false })
  first.ask()
  first.until(1_000)
  const saved = first.buckets.changed()
  expect(first.buckets.changed().filter(({ name }) => name.startsWith('peak'))).toEqual([])
  const next = open({ tellsLeft: false, saved })
  flood(next)
  expect(next).toMatchObject({ at: { ours: most }, refused: 0 })
  const late = open({
    tellsLeft: false,
    saved: saved.map((row) => ({ ...row, wallMs: row.wallMs - 90_000_000, bootId: 'before' })),
  })
  flood(late)
  expect(late).toMatchObject({ at: { ours: most }, refused: 22 })
})

test('a call that is given up, or lost, leaves its place', () => {
  const world = open({ tellsLeft: false })
  world.ask()
  world.until(1_000)
  const held = Array.from({ length: most }, () => {
    const gauges = world.buckets.applied([], scope, watching)
    world.buckets.admit(gauges)
    return gauges
  })
  const next = world.buckets.applied([], scope, watching)
  const isFree = (): boolean => world.buckets.readyAt(next, world.clock.monoMs()).atMs <= world.clock.monoMs()
  expect(isFree()).toBe(false)
  world.buckets.giveUp(held[0]!)
  expect(isFree()).toBe(true)
  world.buckets.admit(held[0]!)
  world.buckets.sent(held[1]!, world.clock.monoMs())
  world.buckets.ended(held[1]!, null)
  expect(isFree()).toBe(true)
})
