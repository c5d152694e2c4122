import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Agenda } from '../../src/fleet/agenda.ts'
import { FreeQueue, placeOf } from '../../src/fleet/free.ts'
import { formatAgents } from '../../src/fleet/range.ts'
import { freshPolicy } from '../../src/fleet/restart.ts'
import { readSaved } from '../../src/fleet/saved.ts'
import { attemptVerdict, beatCounts, charged, liveness } from '../../src/fleet/verdict.ts'
import { openWaves } from '../../src/fleet/waves.ts'
import { VirtualClock } from './clock.ts'

test('a cell is suspect after two silent beats and dead after three', () => {
  expect([0, 1, 2, 3, 4].map(liveness)).toEqual(['alive', 'alive', 'suspect', 'dead', 'dead'])
})

test('a beat that comes late itself does not count against the cell', () => {
  expect(beatCounts(0, 1_000)).toBe(true)
  expect(beatCounts(500, 1_000)).toBe(true)
  expect(beatCounts(501, 1_000)).toBe(false)
})

test('an attempt is stuck without progress, never while it waits outside; its grace is not extended', () => {
  const evidence = { awakeMs: 60, stuckAfterMs: 60, cancelled: false, graceMs: 10, waitsOutside: false }
  expect(attemptVerdict(evidence)).toBe('stuck')
  expect(attemptVerdict({ ...evidence, awakeMs: 59 })).toBe('works')
  expect(attemptVerdict({ ...evidence, awakeMs: 1e9, waitsOutside: true })).toBe('waits')
  expect(attemptVerdict({ ...evidence, cancelled: true, awakeMs: 9 })).toBe('works')
  expect(attemptVerdict({ ...evidence, cancelled: true, awakeMs: 10, waitsOutside: true })).toBe('ignores-cancel')
})

test('a death charges whom the evidence points at, else those named, else the only one at work, else nobody', () => {
  expect(charged({ witnessed: null, named: [], inHand: [] })).toEqual([])
  expect(charged({ witnessed: null, named: [], inHand: ['a/0001'] })).toEqual(['a/0001'])
  expect(charged({ witnessed: null, named: [], inHand: ['a/0001', 'a/0002'] })).toEqual([])
  expect(charged({ witnessed: null, named: ['a/0003'], inHand: ['a/0001'] })).toEqual(['a/0003'])
  // One that holds the loop makes others look as if they ignored us.
  expect(charged({ witnessed: 'a/0002', named: ['a/0003'], inHand: ['a/0001'] })).toEqual(['a/0002'])
})

test('the agenda fires in order of time on one timer, and a cancelled entry never', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.boolean()), { maxLength: 40 }),
      async (asked) => {
        const clock = new VirtualClock()
        const agenda = new Agenda(clock)
        const fired: { readonly delayMs: number; readonly index: number; readonly atMs: number }[] = []
        const fromMs = clock.monoMs()
        for (const [index, [delayMs, cancelled]] of asked.entries()) {
          const cancel = agenda.after(delayMs, () => fired.push({ delayMs, index, atMs: clock.monoMs() - fromMs }))
          if (cancelled) cancel()
          expect(clock.timers).toBeLessThanOrEqual(1)
        }
        await clock.advance(60)
        const wanted = [...asked.entries()]
          .filter(([, [, cancelled]]) => !cancelled)
          .map(([index, [delayMs]]) => ({ delayMs, index }))
          .toSorted((a, b) => a.delayMs - b.delayMs || a.index - b.index)
        expect(fired).toEqual(wanted.map((one) => ({ ...one, atMs: one.delayMs })))
      },
    ),
    { numRuns: 30 },
  )
})

test('an entry that makes another one for now does not hold the loop', async () => {
  const clock = new VirtualClock()
  const agenda = new Agenda(clock)
  let rounds = 0
  const again = (): void => {
    rounds += 1
    if (rounds < 5) agenda.after(0, again)
  }
  agenda.after(0, again)
  await clock.advance(1)
  expect(rounds).toBe(5)
  agenda.after(1, () => {
    throw new Error('a stopped agenda fires nothing')
  })
  agenda.stop()
  await clock.advance(10)
})

test('the queue of free agents behaves like a list that is taken from the front', () => {
  const step = fc.oneof(
    fc.record({ join: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ leave: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ take: fc.integer({ min: 0, max: 4 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const places = Array.from({ length: 10 }, (_, index) => placeOf(index))
      const queue = new FreeQueue<number>()
      let model: number[] = []
      for (const one of steps) {
        if ('join' in one) {
          expect(queue.join(places[one.join]!)).toBe(!model.includes(one.join))
          if (!model.includes(one.join)) model.push(one.join)
        } else if ('leave' in one) {
          queue.leave(places[one.leave]!)
          model = model.filter((item) => item !== one.leave)
        } else {
          expect(queue.take(one.take)).toEqual(model.slice(0, one.take))
          model = model.slice(one.take)
        }
        expect(queue.size).toBe(model.length)
      }
    }),
  )
})

test('waves start a few at a time, oldest ask first, each once', () => {
  const started: string[] = []
  const waves = openWaves<string>(2, (item) => {
    started.push(item)
  })
  for (const item of ['a', 'b', 'c', 'c', 'd', 'a']) waves.ask(item)
  expect(started).toEqual(['a', 'b'])
  expect(waves.waiting).toBe(3)
  waves.done('b')
  expect(started).toEqual(['a', 'b', 'c'])
  waves.done('a')
  waves.done('c')
  expect(started).toEqual(['a', 'b', 'c', 'd', 'a'])
})

test('many agents are told in few words', () => {
  const agents = (numbers: readonly number[]): { type: string; number: number }[] =>
    numbers.map((number) => ({ type: 'settler', number }))
  expect(formatAgents(agents([3, 1, 2, 7]))).toBe('settler/0001-0003, 0007')
  expect(formatAgents(agents([12_345]))).toBe('settler/12345')
  expect(formatAgents([])).toBe('no agent')
  expect(formatAgents([...agents([1, 2]), { type: 'report', number: 1 }])).toBe('settler/0001-0002; report/0001')
  expect(formatAgents(agents(Array.from({ length: 20 }, (_, index) => index * 2)))).toMatch(/ and 12 more$/)
})

test('a saved policy means the same after a restart of the sitter, and after a reboot by wall time', () => {
  const at = { wallMs: 1_000_000, monoMs: 500_000, bootId: 'one' }
  const text = JSON.stringify({
    at,
    policy: { ...freshPolicy, losses: [400_000, 499_000], inARow: 2 },
    hold: 'own',
    due: { set: at, delayMs: 9_000 },
    lastCells: ['cel_1'],
    group: null,
  })
  expect(readSaved(text, { wallMs: 1_002_000, monoMs: 502_000, bootId: 'one' })!.policy.losses).toEqual([
    400_000, 499_000,
  ])
  // Rebooted two seconds later by the wall clock: the last loss lies three seconds back.
  expect(readSaved(text, { wallMs: 1_002_000, monoMs: 50, bootId: 'two' })!.policy.losses).toEqual([
    50 - 102_000,
    50 - 3_000,
  ])
  // A wall clock that went back makes no loss younger than it was.
  expect(readSaved(text, { wallMs: 1_000, monoMs: 50, bootId: 'two' })!.policy.losses).toEqual([
    50 - 100_000,
    50 - 1_000,
  ])
})

test('what savePolicy did not write is not read', () => {
  const now = { wallMs: 1, monoMs: 1, bootId: 'x' }
  for (const text of [
    '',
    '{}',
    '[]',
    'null',
    '{"at":1}',
    '{"at":{"wallMs":1,"monoMs":1,"bootId":"x"},"policy":{"losses":["1"]}}',
  ]) {
    expect(readSaved(text, now)).toBeUndefined()
  }
})
