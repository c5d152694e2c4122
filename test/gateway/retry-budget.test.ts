/** The budget of retries outlives its gate. */
import { join } from 'node:path'
import { onTestFinished, expect, test } from 'vitest'
import { openRetries, type Retries } from '../../src/gateway/retries.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock, type HandClock } from '../limit/clock.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startGate, startSitter } from './harness.ts'
import { openUpstream } from './upstream.ts'

const retries = { max: 2, share: 0.1, safe: [] }
const rule = rulesFor({ host: 'api' }, { retries }).upstreams['bank']!
const lost = { outcomeClass: 'transient', tries: 1, askedMs: null, elapsedMs: 0 } as const
/** Retries that are given until there is none. */
const given = (budget: Retries): number => {
  for (let count = 0; ; count += 1) if (budget.next(rule, lost).next !== 'again') return count
}
const open = (clock: HandClock, saved?: ReturnType<Retries['changed']>): Retries =>
  openRetries({ clock, random: seeded(1), ...(saved && { saved }) })

test('A new gate goes on with what is left of the budget, and with what time has brought back', () => {
  const clock = handClock()
  const first = open(clock)
  expect(given(first)).toBe(10)
  const saved = first.changed()
  expect(first.changed()).toEqual([])
  expect(given(open(clock, saved))).toBe(0)
  // One in ten seconds, by the wall clock over a reboot; never more than the reserve.
  clock.advance(25_000)
  clock.reboot()
  expect(given(open(clock, saved))).toBe(2)
  clock.advance(1_000_000)
  expect(given(open(clock, saved))).toBe(10)
})

test('What calls have earned is kept as well', () => {
  const clock = handClock()
  const first = open(clock)
  for (let call = 0; call < 100; call += 1) first.first(rule)
  expect(given(open(clock, first.changed()))).toBe(20)
})

test('A gate that is started anew while all fails does not begin with a new reserve', async () => {
  const upstream = await openUpstream()
  upstream.answer((_seen, response) => response.writeHead(503).end())
  const place = newPlace()
  const rules = rulesFor(upstream, { retries, breaker: null })
  const door = join(place.directory, 'cell.sock')
  const tries: number[] = []
  for (let life = 0; life < 2; life += 1) {
    const { gate } = await startGate(place, rules)
    const sitter = startSitter(place, life + 1)
    await sitter.linked()
    if (life === 0) await setSecret(sitter)
    sitter.link.openCell({
      cell: 'cel_1',
      socketPath: door,
      type: 'payer',
      agents: ['payer/0001'],
      upstreams: ['bank'],
    })
    while ((await sitter.link.status()).cells === 0);
    for (let call = 0; call < 7; call += 1) {
      const before = upstream.seen.length
      await fetchBy(door, { path: '/bank/v1/a' })
      tries.push(upstream.seen.length - before)
    }
    await sitter.link.stop()
    await gate.stop()
  }
  onTestFinished(async () => {
    await upstream.close()
    place.remove()
  })
  expect(tries.slice(0, 5)).toEqual([3, 3, 3, 3, 3])
  // What came back meanwhile is one in ten seconds.
  expect(tries.slice(7).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(7 + 4)
}, 60_000)
