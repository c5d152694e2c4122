/** Hosts of one provider that counts them together: `domain` of their upstreams. */
import { expect, test } from 'vitest'
import { domainPlace, openBuckets } from '../../src/limit/limit.ts'
import type { UpstreamLimit } from '../../src/model/model.ts'
import { seeded } from '../../src/std/std.ts'
import { inspectConfig } from '../../src/config/parse.ts'
import { handClock } from './clock.ts'

const host = domainPlace('exchange')
const [one, other, stranger] = [
  { upstream: 'api', host, credential: 'a', agent: null },
  { upstream: 'api1', host, credential: 'b', agent: null },
  { upstream: 'elsewhere', host: 'exchange', credential: 'a', agent: null },
]
const perHost: UpstreamLimit = {
  per: 'host',
  rate: { count: 10, windowMs: 1_000 },
  burst: 10,
  guard: 0,
  window: 'sliding',
  match: [],
  weights: [],
}

test('A ban by one host of a domain holds for its other hosts, and for nobody else', () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const bans = { 418: 'host' as const }
  const banned = { gauges: [], status: 418, headers: [['retry-after', '60']] as const, sentMs: clock.monoMs(), bans }
  buckets.answered(one, { ...banned, learn: true, knownLimits: {} })
  expect(buckets.pausedUntil(other)).toBeGreaterThan(clock.monoMs() + 59_000)
  expect(buckets.pausedUntil(stranger)).toBe(-Infinity)
  expect(buckets.held({ name: 'api1', host }).map(({ whose }) => whose)).toEqual(['address'])
  const next = openBuckets({ clock, random: seeded(1), saved: buckets.changed() })
  expect(next.pausedUntil(other)).toBeGreaterThan(clock.monoMs())
})

test('A limit per host is one for all hosts of a domain, whose answers say nothing of each other’s ways', () => {
  const clock = handClock()
  const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
  const send = (scope: typeof one) => {
    const gauges = buckets.applied([perHost], scope)
    if (buckets.readyAt(gauges, clock.monoMs()).atMs > clock.monoMs()) return undefined
    buckets.admit(gauges)
    buckets.sent(gauges, clock.monoMs())
    return gauges
  }
  for (let sent = 0; sent < 9; sent += 1) expect(send(one)).toBeDefined()
  clock.advance(20)
  const last = send(other)
  expect(last).toBeDefined()
  expect(send(one)).toBeUndefined()
  expect(send(stranger)).toBeDefined()
  clock.advance(900)
  for (const gauge of last!) gauge.heard?.(clock.monoMs())
  clock.advance(500)
  // The answer of the other host proves no arrival at this one: its calls still have their places.
  expect(send(one)).toBeUndefined()
})

test('A domain is a name', () => {
  const faults = (domain: string): number =>
    inspectConfig(
      { name: 's', agents: {}, upstreams: { u: { url: 'https://a.test', allow: ['GET /**'], domain } } },
      '/',
    ).faults.length
  expect(faults('binance')).toBe(0)
  for (const odd of ['', 'api.binance.com', '~x', 'Binance']) expect(faults(odd)).toBe(1)
})
