import { expect, test } from 'vitest'
import { banAfter } from '../../src/limit/bans.ts'
import { openBuckets, type Buckets } from '../../src/limit/limit.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock, type HandClock } from './clock.ts'

const scope = { upstream: 'api', host: 'api.example:443', credential: 'key', agent: null }
const other = { ...scope, upstream: 'data', credential: 'other' }
const elsewhere = { ...other, host: 'data.example:443' }

const open = (clock: HandClock, saved: Parameters<typeof openBuckets>[0]['saved'] = []): Buckets =>
  openBuckets({ clock, random: seeded(1), saved })
const hear = (buckets: Buckets, clock: HandClock, status: number, waitS?: number, sentMs = clock.monoMs()): boolean =>
  buckets.answered(scope, {
    gauges: [],
    status,
    headers: waitS === undefined ? [] : [['retry-after', String(waitS)]],
    sentMs,
    learn: true,
    knownLimits: {},
    bans: { 418: 'host' },
  })
/** Ms until a call of this scope may go; Infinity = when another one has ended. */
const waitOf = (buckets: Buckets, clock: HandClock, of: typeof scope): number =>
  buckets.readyAt(buckets.applied([], of), clock.monoMs()).atMs - clock.monoMs()

test('A ban of an address is for every upstream and credential there, and for nobody elsewhere', () => {
  const clock = handClock()
  const buckets = open(clock)
  expect(hear(buckets, clock, 418, 120)).toBe(true)
  for (const of of [scope, other]) {
    expect(buckets.pausedUntil(of) - clock.monoMs()).toBeGreaterThan(120_000)
    expect(waitOf(buckets, clock, of)).toBeGreaterThan(120_000)
  }
  expect(buckets.pausedUntil(elsewhere)).toBe(-Infinity)
  expect(waitOf(buckets, clock, elsewhere)).toBe(0)
})

test('After a ban one call goes at a time, until one of them was answered by something else than a refusal', () => {
  const clock = handClock()
  const buckets = open(clock)
  hear(buckets, clock, 418, 120)
  // This one left before the ban was heard of.
  clock.advance(1_000)
  hear(buckets, clock, 200, undefined, clock.monoMs() - 2_000)
  expect(buckets.pausedUntil(scope)).toBeGreaterThan(clock.monoMs())
  clock.advance(130_000)
  const probe = (): ReturnType<Buckets['applied']> => {
    const gauges = buckets.applied([], scope)
    expect(waitOf(buckets, clock, scope)).toBe(0)
    buckets.admit(gauges)
    expect(waitOf(buckets, clock, scope)).toBe(Infinity)
    expect(waitOf(buckets, clock, other)).toBe(Infinity)
    return gauges
  }
  // Never sent, then lost: nothing is known by either.
  buckets.giveUp(probe())
  const lost = probe()
  buckets.sent(lost, clock.monoMs())
  buckets.ended(lost, true)
  const sent = probe()
  buckets.sent(sent, clock.monoMs())
  hear(buckets, clock, 200)
  expect(waitOf(buckets, clock, other)).toBe(0)
  buckets.ended(sent, false)
  for (let more = 0; more < 3; more += 1) {
    const gauges = buckets.applied([], scope)
    expect(waitOf(buckets, clock, scope)).toBe(0)
    buckets.admit(gauges)
  }
})

test('A probe that is refused again begins a longer ban', () => {
  const clock = handClock()
  const buckets = open(clock)
  hear(buckets, clock, 418)
  const firstMs = buckets.pausedUntil(scope) - clock.monoMs()
  expect(firstMs).toBeGreaterThan(120_000)
  clock.advance(firstMs + 1)
  hear(buckets, clock, 418)
  expect(buckets.pausedUntil(scope) - clock.monoMs()).toBeGreaterThan(240_000)
})

test('Own patience doubles up to three days; what is told goes before it; those under way are one strike', () => {
  const random = seeded(2)
  let ban = banAfter(undefined, { retryAfterMs: undefined, sentMs: 0 }, 0, random)
  ban = banAfter(ban, { retryAfterMs: undefined, sentMs: 0 }, 10, random)
  expect(ban.strikes).toBe(1)
  for (let again = 0; again < 30; again += 1)
    ban = banAfter(ban, { retryAfterMs: undefined, sentMs: ban.untilMs + 1 }, ban.untilMs + 2, random)
  const before = ban.untilMs
  ban = banAfter(ban, { retryAfterMs: undefined, sentMs: before + 1 }, before + 2, random)
  expect(ban.untilMs - before).toBeLessThanOrEqual(3 * 86_400_000 + 5_003)
  expect(
    banAfter(ban, { retryAfterMs: 2_000, sentMs: ban.untilMs + 1 }, ban.untilMs, random).untilMs - ban.untilMs,
  ).toBeLessThan(2_300)
})

test('A new gate goes on with a ban, and still tries its end with one call', () => {
  const clock = handClock()
  const first = open(clock)
  hear(first, clock, 418, 120)
  const saved = first.changed()
  clock.advance(60_000)
  const second = open(clock, saved)
  expect(second.pausedUntil(other) - clock.monoMs()).toBeGreaterThan(60_000)
  clock.advance(200_000)
  const third = open(clock, saved)
  expect(waitOf(third, clock, scope)).toBe(0)
  third.admit(third.applied([], scope))
  expect(waitOf(third, clock, scope)).toBe(Infinity)
  hear(third, clock, 200)
  expect(open(clock, third.changed()).pausedUntil(scope)).toBe(-Infinity)
})

test('Without a profile only 418 with a wait bans, and its credential alone; a firewall that names a wait gets it', () => {
  const clock = handClock()
  const buckets = open(clock)
  const told = (status: number, waitS?: number): boolean =>
    buckets.answered(scope, {
      gauges: [],
      status,
      headers: waitS === undefined ? [] : [['retry-after', String(waitS)]],
      sentMs: clock.monoMs(),
      learn: true,
      knownLimits: {},
    })
  expect(told(418)).toBe(false)
  expect(told(403)).toBe(false)
  expect(told(403, 5)).toBe(true)
  clock.advance(6_000)
  expect(told(418, 60)).toBe(true)
  expect(buckets.pausedUntil(scope) - clock.monoMs()).toBeGreaterThan(60_000)
  expect(buckets.pausedUntil(other)).toBe(-Infinity)
})
