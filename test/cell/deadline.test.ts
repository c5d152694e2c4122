/** A start is late by its own time: not by a crowded host, nor by a sitter that stood still. */
import { expect, test } from 'vitest'
import { startDeadline } from '../../src/cell/deadline.ts'
import type { Effort } from '../../src/std/std.ts'
import { VirtualClock } from '../fleet/clock.ts'

const begin = (share: { ran: number; waited: number } | null) => {
  const clock = new VirtualClock()
  const fromMs = clock.monoMs()
  const told: { lateMs: number | null } = { lateMs: null }
  const effort = (): Effort | undefined => {
    if (share === null) return undefined
    const passedMs = clock.monoMs() - fromMs
    const thread = { state: 'S', ranMs: passedMs * share.ran, waitedMs: passedMs * share.waited }
    return { startTime: '1', state: 'S', threads: new Map([[1, thread]]) }
  }
  const cancel = startDeadline(clock, { withinMs: 10_000, effort }, () => {
    told.lateMs = clock.monoMs() - fromMs
  })
  return { clock, told, cancel }
}

test.each([
  ['that sleeps', { ran: 0, waited: 0 }, 10_000],
  ['that runs', { ran: 1, waited: 0 }, 10_000],
  ['that waits for a processor half of its time', { ran: 0.5, waited: 0.5 }, 20_000],
  ['that is never let run: ten times its time is the bound', { ran: 0, waited: 1 }, 100_000],
  ['that cannot be seen', null, 10_000],
])('A start %s is late after its own time', async (_what, share, lateMs) => {
  const { clock, told } = begin(share)
  await clock.advance(lateMs - 100)
  expect(told.lateMs).toBeNull()
  await clock.advance(1_500)
  expect(told.lateMs).toBeGreaterThanOrEqual(lateMs)
})

test('What passed while the sitter stood still does not count', async () => {
  const { clock, told } = begin(null)
  await clock.sleepThrough(60_000)
  await clock.advance(8_000)
  expect(told.lateMs).toBeNull()
  await clock.advance(2_000)
  expect(told.lateMs).not.toBeNull()
})

test('A start that was cancelled is never late', async () => {
  const { clock, told, cancel } = begin(null)
  await clock.advance(5_000)
  cancel()
  await clock.advance(60_000)
  expect([told.lateMs, clock.timers]).toEqual([null, 0])
})

test('For a sitter that does not see itself no start is late; when it does again, this one is', async () => {
  const clock = new VirtualClock()
  const told = { late: 0, sees: false }
  const ask = { withinMs: 5_000, effort: () => undefined, seesItself: () => told.sees }
  startDeadline(clock, ask, () => {
    told.late += 1
  })
  await clock.advance(600_000)
  expect(told.late).toBe(0)
  told.sees = true
  await clock.advance(2_000)
  expect([told.late, clock.timers]).toEqual([1, 0])
})
