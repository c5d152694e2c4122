import { expect, test } from 'vitest'
import * as fc from 'fast-check'
import {
  dealt,
  filled,
  maySleep,
  nextTokenMs,
  quarantinedBefore,
  wakesWanted,
  type Waiting,
} from '../../../src/fleet/hibernate/decide.ts'

const calm: Waiting = {
  waiting: 0,
  free: 0,
  onTheWay: 0,
  asleep: 100,
  awake: 0,
  mostAwake: Infinity,
  quarantined: 0,
  working: 0,
}

test.for<[string, Partial<Waiting>, number]>([
  ['nobody, when nothing waits', {}, 0],
  ['one for each task that waits', { waiting: 3 }, 3],
  ['fewer by those that are free already', { waiting: 3, free: 2 }, 1],
  ['fewer by those that start or wait for a restart', { waiting: 3, onTheWay: 3 }, 0],
  ['no more than sleep', { waiting: 500 }, 100],
  ['no more than may be awake', { waiting: 50, awake: 8, working: 8, mostAwake: 10 }, 2],
  ['nobody, when more are awake than may be since the bound was lowered', { waiting: 5, awake: 9, mostAwake: 4 }, 0],
  ['another one, when one that was woken is quarantined', { waiting: 1, quarantined: 1 }, 1],
  ['nobody, when three are quarantined and none works', { waiting: 1, quarantined: quarantinedBefore }, 0],
  ['another one, when three are quarantined but others work', { waiting: 1, quarantined: 3, working: 1, awake: 1 }, 1],
])('Woken is %s', ([, change, wanted]) => {
  expect(wakesWanted({ ...calm, ...change })).toBe(wanted)
})

test('Never more are woken than tasks wait, than sleep, or than may be awake', () => {
  const amount = fc.nat({ max: 1_000 })
  const look = fc.record({
    waiting: amount,
    free: amount,
    onTheWay: amount,
    asleep: amount,
    awake: amount,
    mostAwake: fc.oneof(amount, fc.constant(Infinity)),
    quarantined: fc.nat({ max: 5 }),
    working: amount,
  })
  fc.assert(
    fc.property(look, (one) => {
      const count = wakesWanted(one)
      expect(count).toBeGreaterThanOrEqual(0)
      expect(count).toBeLessThanOrEqual(Math.min(one.waiting, one.asleep))
      if (count > 0) expect(one.awake + count).toBeLessThanOrEqual(one.mostAwake)
    }),
  )
})

test('A bucket gives no more in any time than its rate and what lies in it', () => {
  const step = fc.record({ waitMs: fc.nat({ max: 3_000 }), ask: fc.nat({ max: 400 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), fc.integer({ min: 1, max: 500 }), (steps, perSecond) => {
      let bucket = { tokens: Infinity, atMs: 0 }
      let nowMs = 0
      let given = 0
      for (const { waitMs, ask } of steps) {
        nowMs += waitMs
        bucket = filled(bucket, perSecond, nowMs)
        const now = Math.min(ask, Math.floor(bucket.tokens))
        bucket = { ...bucket, tokens: bucket.tokens - now }
        given += now
      }
      expect(given).toBeLessThanOrEqual(perSecond + (nowMs * perSecond) / 1_000 + 1e-6)
    }),
  )
})

test('After the time that it names there is a token', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 3, noNaN: true }), fc.integer({ min: 1, max: 500 }), (tokens, perSecond) => {
      const bucket = { tokens, atMs: 0 }
      const later = filled(bucket, perSecond, nextTokenMs(bucket, perSecond))
      expect(later.tokens + 1e-9).toBeGreaterThanOrEqual(1)
    }),
  )
})

test('Tokens are dealt one each in turn: all that there are, to nobody more than wanted, and fairly', () => {
  const wants = fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.nat({ max: 500 }), wants, fc.nat({ max: 100 }), (tokens, wanted, first) => {
      const given = dealt(tokens, wanted, first)
      const sum = (list: readonly number[]): number => list.reduce((all, one) => all + one, 0)
      expect(sum(given)).toBe(Math.min(tokens, sum(wanted)))
      for (const [index, count] of given.entries()) expect(count).toBeLessThanOrEqual(wanted[index]!)
      // Whoever got less than it wanted got no less than anybody else, but for the one token of the last turn.
      for (const [index, count] of given.entries())
        if (count < wanted[index]!) expect(count).toBeGreaterThanOrEqual(Math.max(...given) - 1)
    }),
  )
})

test('A type that floods takes no token from one that wants little', () => {
  expect(dealt(25, [10_000, 3], 0)).toEqual([22, 3])
  expect(dealt(1, [5, 5, 5], 2)).toEqual([0, 0, 1])
})

test('Only who is idle, not taken, not on its way elsewhere and not on trial may sleep', () => {
  const rest = { isIdle: true, isTaken: false, isMoving: false, isOnTrial: false }
  expect(maySleep(rest)).toBe(true)
  for (const change of [{ isIdle: false }, { isTaken: true }, { isMoving: true }, { isOnTrial: true }])
    expect(maySleep({ ...rest, ...change })).toBe(false)
})
