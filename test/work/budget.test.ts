/** The retry budget: what it lets through, and where it puts the rest. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TaskType } from '../../src/model/model.ts'
import { seeded } from '../../src/std/std.ts'
import { openBudgets, RetryBudget } from '../../src/work/budget.ts'

const spanOf = (ms: number): number => Math.floor(ms / 10_000)

test('retries within the share keep their own time', () => {
  const budget = new RetryBudget(0.2, seeded(1))
  for (let index = 0; index < 600; index += 1) budget.started(index * 100)
  expect(budget.room(60_000)).toBe(16)
  const placed = Array.from({ length: 16 }, () => budget.place(60_000, 61_000))
  expect(placed.every((one) => one.untilMs === 61_000 && !one.putOff)).toBe(true)
  expect(budget.place(60_000, 61_000)).toMatchObject({ putOff: true })
})

test('no span takes more than its room, none is dropped, and each comes later than it wanted', () => {
  fc.assert(
    fc.property(fc.nat(2_000), fc.integer({ min: 1, max: 1_000 }), fc.nat(50_000), (starts, retries, delayMs) => {
      const budget = new RetryBudget(0.2, seeded(2))
      for (let index = 0; index < starts; index += 1) budget.started(1_000_000)
      const room = budget.room(1_000_000)
      const placed = Array.from({ length: retries }, () => budget.place(1_000_000, 1_000_000 + delayMs))
      const perSpan = new Map<number, number>()
      for (const { untilMs } of placed) perSpan.set(spanOf(untilMs), (perSpan.get(spanOf(untilMs)) ?? 0) + 1)
      const last = spanOf(1_000_000) + 360
      expect(placed.every((one) => one.untilMs >= 1_000_000 + delayMs)).toBe(true)
      for (const [span, count] of perSpan) if (span < last) expect(count).toBeLessThanOrEqual(room)
    }),
  )
})

test('a type that starts nothing can still retry, a little', () => {
  const budget = new RetryBudget(0.1, seeded(3))
  const spans = Array.from({ length: 10 }, () => spanOf(budget.place(0, 500).untilMs))
  expect(spans).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
})

test('a share that changes in the configuration holds from the next retry on, and one that goes bounds nothing more', () => {
  const type = (budget?: number): TaskType => ({
    name: 'pay',
    agent: 'payer',
    retry: { max: 9, baseMs: 1, capMs: 1, ...(budget === undefined ? {} : { budget }) },
    deadlineMs: null,
    priority: 5,
  })
  const types: Record<string, TaskType> = { pay: type() }
  const budgets = openBudgets(types, seeded(1))
  const retries = Array.from({ length: 9 }, () => ({
    claimed: { type: 'pay', number: 2 },
    finish: { event: { event: 'retry', untilMs: 10_000 } },
  })) as unknown as Parameters<typeof budgets.place>[0]
  const putOff = (): number =>
    budgets.place(retries, 5_000).ends.filter(({ finish }) => (finish.event as { untilMs: number }).untilMs > 10_000)
      .length
  expect(putOff()).toBe(0)
  types['pay'] = type(0.1)
  expect(putOff()).toBe(7)
  types['pay'] = type(0.2)
  expect(putOff()).toBe(7)
  types['pay'] = type()
  expect(putOff()).toBe(0)
})
