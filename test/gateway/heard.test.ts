/** What agents' own calls say about them, and how the sitter hears of it. */
import { expect, test } from 'vitest'
import { answerFailed, openCallsCounted, refusalFailed } from '../../src/gateway/heard.ts'
import type { CallsHeard } from '../../src/wire/wire.ts'
import { VirtualClock } from '../fleet/clock.ts'

test.each([
  ['succeeded', 200, false],
  ['unknown', 503, true],
  ['transient', null, true],
  ['transient', 502, true],
  ['transient', 408, null],
  ['limited', 429, null],
  ['credential', 401, true],
  ['funds', 402, true],
  ['permanent', 400, true],
  ['permanent', 404, null],
  ['unknown', 409, null],
] as const)('an answer of class %s with status %s says %s', (of, status, says) => {
  expect(answerFailed(of, status)).toBe(says)
})

test('what an agent may not do speaks against it; what a mode, a freeze or a limit held back does not', () => {
  expect((['not-allowed', 'intent-required'] as const).map(refusalFailed)).toEqual([true, true])
  const held = ['mode-forbids', 'frozen', 'limited', 'breaker-open', 'credential-unavailable'] as const
  expect(held.map(refusalFailed)).toEqual([null, null, null, null, null])
})

test('calls are told once a second by agent, in pieces, and only while a rule counts them', async () => {
  const clock = new VirtualClock()
  const told: (readonly CallsHeard[])[] = []
  const calls = openCallsCounted(clock, (agents) => told.push(agents))
  calls.count('a/0001', true)
  await clock.advance(5_000)
  expect(told).toEqual([])
  calls.watch(true)
  for (const failed of [true, false, false, null]) calls.count('a/0001', failed)
  calls.count(null, true)
  await clock.advance(999)
  expect(told).toEqual([])
  await clock.advance(1)
  expect(told).toEqual([[['a/0001', 2, 1]]])
  for (let at = 0; at < 25_000; at += 1) calls.count(`a/${at}`, true)
  await clock.advance(1_000)
  expect(told.slice(1).map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 2_000))
  calls.count('a/0001', true)
  calls.watch(false)
  await clock.advance(1_000)
  expect(told.slice(11)).toEqual([])
  calls.stop()
})
