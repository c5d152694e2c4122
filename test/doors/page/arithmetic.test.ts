import fc from 'fast-check'
import { expect, test } from 'vitest'
import { connectionOf, staleAfterMs } from '../../../dashboard/src/freshness.ts'
import { agentId, indexAfter, indexAt, layoutOf, numberAt } from '../../../dashboard/src/map-layout.ts'
import { etaMs, paceOf, progressOf, withSample, type Sample } from '../../../dashboard/src/progress.ts'
import { lookOf, looks } from '../../../dashboard/src/states.ts'
import { duration, grouped } from '../../../dashboard/src/words.ts'
import { agentStates } from '../../../src/model/model.ts'

const settle = { tries: 0, unknown: [], person: 0, idle: false, cost: [], costUnknown: 0 }
const work = (states: Record<string, number>) => ({ byType: { settle: states }, attempts: {}, idle: false })

test('every task is in exactly one part of the progress', () => {
  const states = { ready: 5, running: 3, waiting: 2, succeeded: 80, dead: 1, cancelled: 4 }
  const byState = {
    settled: { count: 70, amounts: {} },
    rejected: { count: 9, amounts: {} },
    unknown: { count: 2, amounts: {} },
  }
  const run = progressOf({ work: work(states), settle: { ...settle, byState } })
  expect(run).toEqual({
    settled: 70,
    rejected: 9,
    unknown: 2,
    other: 6,
    dead: 1,
    cancelled: 4,
    toGo: 10,
    ended: 85,
    total: 95,
  })
  expect(run.settled + run.rejected + run.other + run.toGo).toBe(run.total)
})

test('the pace is what was seen over the window; too short a look or a standstill says nothing of the end', () => {
  let samples: readonly Sample[] = []
  expect(paceOf(samples)).toBeNull()
  for (let second = 0; second <= 40; second += 1)
    samples = withSample(samples, { atMs: second * 1_000, ended: second * 400, settled: second * 390 })
  expect(samples.length).toBeLessThanOrEqual(17)
  expect(paceOf(samples)!.perSecond).toBeCloseTo(400)
  expect(paceOf(samples)!.settledPerSecond).toBeCloseTo(390)
  expect(etaMs(4_000, paceOf(samples))).toBeCloseTo(10_000)
  expect(etaMs(4_000, { perSecond: 0 })).toBeNull()
  expect(etaMs(0, paceOf(samples))).toBeNull()
  expect(paceOf(samples.slice(-2))).toBeNull()
})

test('the same figures asked twice are one sample, and a record that began anew starts over', () => {
  const one = withSample([], { atMs: 1_000, ended: 50, settled: 1 })
  expect(withSample(one, { atMs: 1_000, ended: 50, settled: 1 })).toEqual(one)
  expect(withSample(one, { atMs: 2_000, ended: 0, settled: 0 })).toEqual([{ atMs: 2_000, ended: 0, settled: 0 }])
})

test('figures are live until three answers are missed, then stale with their age and why', () => {
  expect(connectionOf({ atMs: null, fault: null, signedOut: false }, 5)).toEqual({ state: 'asking' })
  expect(connectionOf({ atMs: null, fault: 'gone', signedOut: false }, 5)).toEqual({ state: 'away', why: 'gone' })
  expect(connectionOf({ atMs: 0, fault: null, signedOut: false }, staleAfterMs - 1).state).toBe('live')
  expect(connectionOf({ atMs: 0, fault: 'gone', signedOut: false }, staleAfterMs)).toEqual({
    state: 'stale',
    ageMs: staleAfterMs,
    why: 'gone',
  })
  expect(connectionOf({ atMs: 0, fault: null, signedOut: true }, 1)).toEqual({ state: 'signed-out' })
})

test('each square is found again at its own place, and no other place is a square', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 40, max: 3_000 }),
      fc.nat(),
      (agents, width, any) => {
        const layout = layoutOf(agents, width)
        const index = any % agents
        const [x, y] = [(index % layout.columns) * layout.pitch, Math.floor(index / layout.columns) * layout.pitch]
        expect(indexAt(layout, agents, x + layout.square / 2, y + layout.square / 2)).toBe(index)
        expect(layout.columns * layout.pitch).toBeLessThanOrEqual(Math.max(width, layout.pitch))
        expect(layout.rows * layout.columns).toBeGreaterThanOrEqual(agents)
        expect(indexAt(layout, agents, layout.columns * layout.pitch + 1, 0)).toBeNull()
        expect(indexAt(layout, agents, 0, layout.rows * layout.pitch + 1)).toBeNull()
        expect(indexAt(layout, agents, -1, 0)).toBeNull()
      },
    ),
  )
})

test('keys never leave the map', () => {
  const keys = ['ArrowRight', 'ArrowLeft', 'ArrowDown', 'ArrowUp', 'Home', 'End', 'PageDown', 'PageUp']
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6_000 }), fc.nat(), fc.constantFrom(...keys), (agents, any, key) => {
      const next = indexAfter(key, any % agents, agents, layoutOf(agents, 900))
      expect(next).toBeGreaterThanOrEqual(0)
      expect(next).toBeLessThan(agents)
    }),
  )
  expect(indexAfter('a', 0, 5, layoutOf(5, 100))).toBeNull()
})

test('numbers with gaps are counted out of their ranges', () => {
  const map = {
    type: 'settler',
    ranges: [
      [1, 3],
      [7, 7],
      [10, 11],
    ],
    states: 'iiiiii',
  } as const
  expect([0, 1, 2, 3, 4, 5, 6].map((index) => numberAt(map, index))).toEqual([1, 2, 3, 7, 10, 11, null])
  expect(agentId('settler', 7)).toBe('settler/0007')
})

test('every state of the model has a look of its own, and a state that is new looks unknown', () => {
  for (const state of agentStates) expect(looks).toHaveProperty(state)
  const pairs = Object.values(looks).map(({ light, mark }) => `${light} ${mark}`)
  expect(new Set(pairs).size).toBe(pairs.length)
  expect(lookOf('brand-new')).toBe(looks['unknown'])
})

test('durations and amounts read well and lose nothing', () => {
  expect([999, 61_000, 3_700_000, 90_000_000].map((ms) => duration(ms).replaceAll('\u00a0', ' '))).toEqual([
    '0 s',
    '1 m 1 s',
    '1 h 1 m',
    '1 d 1 h',
  ])
  expect(['0.00', '1234567.89', '-1000', '9007199254740993.01'].map(grouped)).toEqual([
    '0.00',
    '1,234,567.89',
    '-1,000',
    '9,007,199,254,740,993.01',
  ])
})
