/** Who would wait long is told at once, and when to come back. */
import { expect, test } from 'vitest'
import { openBuckets, openLines, type Admission, type Gauge } from '../../src/limit/limit.ts'
import type { LimitOwner, RatedLimit } from '../../src/model/model.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock } from './clock.ts'

const perSecond = (count: number, per: LimitOwner = 'upstream'): RatedLimit => ({
  per,
  rate: { count, windowMs: 1_000 },
  burst: 1,
  guard: 0,
  window: 'smooth',
  match: [],
  weights: [],
})
const breaker = { share: 0.5, volume: 2, probeMs: 5_000 }

const open = (rules: readonly RatedLimit[], answers: 'at-once' | 'later' = 'at-once') => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const lines = openLines({ clock, buckets })
  const scopeOf = (agent: string) => ({ upstream: 'bank', credential: 'a', agent })
  const sent: string[] = []
  /** Asks for a place; sent as soon as it is admitted. */
  const ask = (name: string, options: { granted?: boolean; agent?: string; waitMs?: number } = {}) => {
    const scope = scopeOf(options.agent ?? `a/${name}`)
    const limits: readonly Gauge[] = buckets.applied(rules, scope, { endpoint: 'GET /**', learn: false, breaker })
    const asked: { answer?: Admission; end: (failed: boolean) => void } = {
      end: (failed) => {
        buckets.ended(limits, failed)
        lines.wake('bank')
      },
    }
    lines.wait({
      scope,
      limits,
      granted: options.granted ?? false,
      priority: 5,
      weight: 1,
      waitMs: options.waitMs ?? 10_000,
      decided: (admission) => {
        asked.answer = admission
        if (!admission.admitted) return
        sent.push(name)
        buckets.sent(limits, clock.monoMs())
        if (answers === 'at-once') buckets.ended(limits, false)
        lines.wake('bank')
      },
    })
    return asked
  }
  const pause = (seconds: number): boolean =>
    buckets.answered(scopeOf('a/0'), {
      status: 429,
      headers: [['retry-after', String(seconds)]],
      gauges: [],
      learn: false,
      knownLimits: {},
      sentMs: clock.monoMs(),
    })
  return { clock, buckets, lines, ask, sent, pause }
}
const backMs = (answer: Admission | undefined): number => (answer?.admitted === false ? answer.retryAfterMs : 0)

test('A line is no longer than its agents would wait; whoever comes then is told at once, one after the other', () => {
  const { ask, clock, sent, lines } = open([perSecond(10)])
  const asked = Array.from({ length: 200 }, (_, index) => ask(String(index)))
  const away = asked.filter(({ answer }) => answer?.admitted === false)
  // Ten a second for ten seconds wait, those that would wait longer do not.
  expect(lines.waiting()).toBeGreaterThanOrEqual(98)
  expect(lines.waiting()).toBeLessThanOrEqual(101)
  expect(away.every(({ answer }) => answer?.admitted === false && answer.why === 'over')).toBe(true)
  const times = away.map(({ answer }) => backMs(answer))
  expect(times[0]).toBeGreaterThan(8_900)
  expect(times.at(-1)).toBeGreaterThan(17_500)
  expect(times.at(-1)).toBeLessThan(20_000)
  expect(times).toEqual(times.toSorted((left, right) => left - right))
  expect(new Set(times).size).toBe(times.length)
  clock.advance(11_000)
  // The last of them may have its turn in the moment in which its patience ends.
  expect(sent.length).toBeGreaterThanOrEqual(200 - away.length - 1)
  expect(asked.filter(({ answer }) => answer === undefined)).toEqual([])
})

test('Those who come back when they were told find room, and nothing of the rate is left unused', () => {
  const { ask, clock, sent } = open([perSecond(10)])
  const random = seeded(3)
  let refusals = 0
  const come = (name: string): void => {
    const asked = ask(name)
    if (asked.answer?.admitted !== false) return
    refusals += 1
    const waitMs = backMs(asked.answer)
    clock.timer(waitMs + random.next() * waitMs * 0.2, () => come(name))
  }
  for (let index = 0; index < 1_000; index += 1) come(String(index))
  clock.advance(100_000)
  expect(sent.length).toBeGreaterThan(980)
  expect(refusals).toBeLessThan(1_500)
})

test('An agent at its own limit is told for itself, and holds up nobody', () => {
  const { ask, clock } = open([perSecond(1_000), perSecond(1, 'agent')])
  const own = Array.from({ length: 13 }, (_, index) => ask(String(index), { agent: 'a/0001' }))
  expect(own.filter(({ answer }) => answer?.admitted === false)).toHaveLength(3)
  const [first, second] = own.slice(-2).map(({ answer }) => backMs(answer))
  expect(first).toBeGreaterThan(9_000)
  expect(second).toBe(first)
  clock.advance(1)
  expect(ask('other', { agent: 'a/0002' }).answer).toMatchObject({ admitted: true })
})

test('A pause that outlasts their patience sends away those who wait already; payments have their own', () => {
  const { ask, clock, pause } = open([perSecond(1)])
  const first = ask('first')
  const waits = [ask('one'), ask('two')]
  const payment = ask('payment', { granted: true, waitMs: 120_000 })
  pause(60)
  clock.advance(200)
  expect(first.answer).toMatchObject({ admitted: true })
  for (const { answer } of waits) {
    expect(answer).toMatchObject({ admitted: false, why: 'over' })
    expect(backMs(answer)).toBeGreaterThanOrEqual(59_800)
  }
  expect(payment.answer).toBeUndefined()
  clock.advance(70_000)
  expect(payment.answer).toMatchObject({ admitted: true })
})

test('Nobody waits for a breaker: not when it opens while they stand in line, nor for the probe of another', () => {
  const { ask, clock } = open([perSecond(2)], 'later')
  const calls = [ask('one'), ask('two')]
  clock.advance(600)
  const waits = [ask('three'), ask('four')]
  const payment = ask('payment', { granted: true, waitMs: 60_000 })
  for (const { end } of calls) end(true)
  clock.advance(200)
  for (const { answer } of waits) expect(answer).toMatchObject({ admitted: false, why: 'barred' })
  expect(backMs(waits[0]!.answer)).toBeGreaterThan(4_500)
  expect(backMs(ask('five').answer)).toBeGreaterThan(4_500)
  // The payment that waits is the probe; while nobody knows how it ends, others are told when to look again.
  clock.advance(7_000)
  expect(payment.answer).toMatchObject({ admitted: true })
  const other = ask('other')
  expect(other.answer).toMatchObject({ admitted: false, why: 'barred' })
  expect(backMs(other.answer)).toBe(5_000)
  payment.end(false)
  expect(ask('after').answer).toMatchObject({ admitted: true })
})
