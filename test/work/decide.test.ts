/** Retry decisions: bounds over random inputs, and the classes one by one. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../../src/std/std.ts'
import { afterFailure, afterLoss, classify, retryDelayMs } from '../../src/work/decide.ts'

const policy = { max: 3, baseMs: 1_000, capMs: 60_000 }
const failed = (number: number, error = {}): Parameters<typeof afterFailure>[0] => ({
  attempt: 'att_1',
  agent: 'settler/0001',
  type: 'settle',
  number,
  deadlineMs: null,
  deaths: 0,
  error: { name: 'Error', message: 'x', ...error },
})

test('a delay is never beyond its cap, and never shorter than Retry-After', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.nat(10_000),
      fc.nat(100_000),
      fc.nat(1_000_000),
      fc.nat(),
      (number, baseMs, capMs, retryAfterMs, seed) => {
        const delayMs = retryDelayMs(number, { max: 9, baseMs, capMs }, seeded(seed), retryAfterMs)
        expect(delayMs).toBeGreaterThanOrEqual(retryAfterMs)
        expect(delayMs).toBeLessThanOrEqual(Math.max(retryAfterMs, capMs) + capMs / 4 + 1)
      },
    ),
  )
})

test('full jitter spreads: a thousand first retries fill the whole interval', () => {
  const random = seeded(7)
  const delays = Array.from({ length: 1_000 }, () => retryDelayMs(1, policy, random))
  expect(Math.min(...delays)).toBeLessThan(20)
  expect(Math.max(...delays)).toBeGreaterThan(980)
})

test.each([
  [{}, 'transient'],
  [{ kind: 'permanent' }, 'permanent'],
  [{ kind: 'refused' }, 'refused'],
  [{ status: 429 }, 'transient'],
  [{ status: 408 }, 'transient'],
  [{ status: 404 }, 'permanent'],
  [{ status: 503 }, 'transient'],
  [{ status: 404, kind: 'transient' }, 'transient'],
])('the error %j is %s', (error, expected) => {
  expect(classify({ name: 'Error', message: 'x', ...error })).toBe(expected)
})

test('a transient failure is retried until its tries are spent, then it is a dead letter with its error', () => {
  expect(afterFailure(failed(1), policy, 0, seeded(1))).toMatchObject({
    outcome: 'transient',
    event: { event: 'retry' },
    counts: true,
  })
  expect(afterFailure(failed(3), policy, 0, seeded(1))).toMatchObject({
    event: { event: 'give-up' },
    error: { message: 'x' },
  })
})

test('a permanent failure is not retried', () => {
  expect(afterFailure(failed(1, { kind: 'permanent' }), policy, 0, seeded(1))).toMatchObject({
    outcome: 'permanent',
    event: { event: 'give-up' },
  })
})

test('a retry that would come after the deadline is not made', () => {
  expect(
    afterFailure({ ...failed(1, { retryAfterMs: 5_000 }), deadlineMs: 4_000 }, policy, 0, seeded(1)).event,
  ).toEqual({ event: 'give-up', reason: 'deadline' })
})

test('a collateral loss costs no attempt, one by own fault does', () => {
  const lost = {
    attempt: 'att_1',
    agent: 'settler/0001',
    type: 'settle',
    number: 3,
    deadlineMs: null,
    deaths: 0,
    alone: false,
    cause: 'cell killed',
  }
  expect(afterLoss({ ...lost, collateral: true }, policy, 0, seeded(1))).toMatchObject({
    outcome: 'interrupted',
    event: { event: 'interrupt' },
    counts: false,
  })
  expect(afterLoss({ ...lost, collateral: false }, policy, 0, seeded(1))).toMatchObject({
    event: { event: 'give-up' },
    counts: true,
  })
})

test('a task whose process died of a signal is tried again once; the second time it is dead as poison', () => {
  const poison = failed(1, { kind: 'poison', code: 'SIGSEGV' })
  expect(afterFailure(poison, policy, 0, seeded(1))).toMatchObject({
    outcome: 'poison',
    event: { event: 'retry' },
    counts: true,
  })
  expect(afterFailure({ ...poison, number: 2, deaths: 1 }, policy, 0, seeded(1))).toMatchObject({
    outcome: 'poison',
    event: { event: 'give-up' },
    counts: true,
  })
})

test('two deaths of a cell with the task as the only one in hand are poison; with others beside it, or once, they are not', () => {
  const lost = {
    attempt: 'att_1',
    agent: 'settler/0001',
    type: 'settle',
    number: 1,
    deadlineMs: null,
    deaths: 0,
    cause: 'cell died',
    collateral: false,
  }
  expect(afterLoss({ ...lost, alone: true }, policy, 0, seeded(1))).toMatchObject({
    outcome: 'transient',
    event: { event: 'retry' },
    deadly: true,
  })
  expect(afterLoss({ ...lost, number: 2, deaths: 1, alone: true }, policy, 0, seeded(1))).toMatchObject({
    outcome: 'poison',
    event: { event: 'give-up', reason: 'poison' },
  })
  expect(afterLoss({ ...lost, number: 2, deaths: 1, alone: false }, policy, 0, seeded(1))).toMatchObject({
    outcome: 'transient',
    event: { event: 'retry' },
    deadly: false,
  })
})
