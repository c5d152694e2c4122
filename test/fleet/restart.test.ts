import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  afterLoss,
  asProbe,
  freshPolicy,
  isStable,
  settled,
  stableAfterMs,
  type Decision,
  type Policy,
  type PolicyState,
} from '../../src/fleet/restart.ts'
import { seeded } from '../../src/std/std.ts'

const policy: Policy = {
  type: 'permanent',
  max: 3,
  withinMs: 10_000,
  baseMs: 100,
  capMs: 2_000,
  firstAtOnce: false,
}
const died = { readyMs: null, progressed: false }
const worked = { readyMs: null, progressed: true }
const chance = seeded(1)

/** Loses again and again at the given times, each life having finished work or not. */
const loseAt = (times: readonly number[], life = worked, by: Policy = policy): Decision => {
  let state: PolicyState = freshPolicy
  let last: Decision | undefined
  for (const nowMs of times) {
    last = afterLoss(by, state, { nowMs, life, counts: true }, chance)
    state = last.state
  }
  return last!
}

test('as many losses as allowed within the window only restart, one more quarantines', () => {
  expect(loseAt([0, 10, 20]).action).toBe('restart')
  expect(loseAt([0, 10, 20, 30])).toMatchObject({ action: 'quarantine', why: 'window' })
})

test('a loss exactly as old as the window still counts, one millisecond later it does not', () => {
  expect(loseAt([0, 10, 20, 10_000])).toMatchObject({ action: 'quarantine', why: 'window' })
  expect(loseAt([0, 10, 20, 10_001]).action).toBe('restart')
})

test('with no restart allowed the first loss quarantines', () => {
  expect(loseAt([0], worked, { ...policy, max: 0 }).action).toBe('quarantine')
})

test('losses in a row without proven stability quarantine although they are rarer than the window is wide', () => {
  expect(loseAt([0, 20_000, 40_000], died).action).toBe('restart')
  expect(loseAt([0, 20_000, 40_000, 60_000], died)).toMatchObject({ action: 'quarantine', why: 'in-a-row' })
})

test('finished work proves stability, so a monthly crash begins at the base delay again', () => {
  const month = 30 * 86_400_000
  const decision = loseAt([0, month, 2 * month, 3 * month, 4 * month, 5 * month])
  expect(decision.action).toBe('restart')
  expect(decision.state.inARow).toBe(1)
  expect(decision.state.delayMs).toBeLessThanOrEqual(3 * policy.baseMs)
})

test('being up for ten times the last delay proves stability, a moment less does not', () => {
  const state = { ...freshPolicy, delayMs: 500, inARow: 2 }
  expect(stableAfterMs(policy, state)).toBe(5_000)
  expect(isStable(policy, state, { readyMs: 0, progressed: false }, 4_999)).toBe(false)
  expect(isStable(policy, state, { readyMs: 0, progressed: false }, 5_000)).toBe(true)
  expect(settled(policy, state, { readyMs: 0, progressed: false }, 5_000)).toMatchObject({ inARow: 0, delayMs: 0 })
})

test('a quarantine has a probe that comes later each time, up to six hours, and never earlier than ten minutes', () => {
  let state: PolicyState = { ...freshPolicy, inARow: 99 }
  const delays: number[] = []
  for (let round = 0; round < 10; round += 1) {
    const decision = afterLoss(policy, asProbe(state), { nowMs: round * 1e8, life: died, counts: true }, chance)
    if (decision.action !== 'quarantine') throw new Error('it must be quarantined again')
    delays.push(decision.delayMs)
    state = decision.state
  }
  const plain = [10, 20, 40, 80, 160, 320, 360, 360, 360, 360].map((minutes) => minutes * 60_000)
  for (const [index, delayMs] of delays.entries()) {
    expect(delayMs).toBeGreaterThanOrEqual(plain[index]!)
    expect(delayMs).toBeLessThanOrEqual(plain[index]! * 1.1)
  }
})

test('a probe lost before it is stable is quarantined at once, one that worked is treated like any other', () => {
  const state = asProbe({ ...freshPolicy, quarantines: 1, probeMs: 600_000 })
  expect(afterLoss(policy, state, { nowMs: 1e7, life: died, counts: true }, chance)).toMatchObject({
    action: 'quarantine',
    why: 'probe-failed',
  })
  const after = afterLoss(
    policy,
    state,
    { nowMs: 1e7, life: { readyMs: 1e7 - 50, progressed: true }, counts: true },
    chance,
  )
  expect(after.action).toBe('restart')
  // It worked a little and crashed again: the number of quarantines is not forgiven yet.
  expect(after.state.quarantines).toBe(1)
})

test('that a probe is up ends no probation: work does, or a life as long as it was kept away', () => {
  const state = { ...asProbe(freshPolicy), quarantines: 1, probeMs: 600_000 }
  const up = (forMs: number, progressed = false): boolean =>
    settled(policy, state, { readyMs: 0, progressed }, forMs).probation
  expect(up(599_999)).toBe(true)
  expect(up(600_000)).toBe(false)
  expect(up(10, true)).toBe(false)
  // It dies of the first work that it gets, an hour after nobody had any for it.
  const late = { ...state, probeMs: 2 * 3_600_000 }
  const loss = { nowMs: 3_600_000, life: { readyMs: 0, progressed: false }, counts: true }
  expect(afterLoss(policy, late, loss, chance)).toMatchObject({ action: 'quarantine', why: 'probe-failed' })
})

test('a probe that is killed from outside has not failed, and is still on probation', () => {
  const state = { ...asProbe(freshPolicy), quarantines: 1, probeMs: 600_000 }
  const decision = afterLoss(policy, state, { nowMs: 1e7, life: died, counts: true, fromOutside: true }, chance)
  expect(decision).toMatchObject({ action: 'restart', state: { probation: true, inARow: 1 } })
})

test('only a whole window without a loss makes quarantines forgotten', () => {
  const state = { ...freshPolicy, quarantines: 3, probeMs: 40_000 }
  expect(settled(policy, state, { readyMs: 0, progressed: true }, 39_999).quarantines).toBe(3)
  expect(settled(policy, state, { readyMs: 0, progressed: true }, 40_000).quarantines).toBe(0)
})

test('a loss that somebody else caused is delayed but moves neither counter', () => {
  let state: PolicyState = freshPolicy
  for (let round = 0; round < 50; round += 1) {
    const decision = afterLoss(policy, state, { nowMs: round, life: died, counts: false }, chance)
    expect(decision.action).toBe('restart')
    state = decision.state
  }
  expect(state).toMatchObject({ losses: [], inARow: 0 })
  expect(state.delayMs).toBeGreaterThanOrEqual(policy.baseMs)
})

test('a cell that was stable comes back at once, and with a delay when it dies again', () => {
  const cell = { ...policy, firstAtOnce: true }
  const first = afterLoss(cell, freshPolicy, { nowMs: 0, life: worked, counts: true }, chance)
  expect(first).toMatchObject({ action: 'restart', delayMs: 0 })
  const second = afterLoss(cell, first.state, { nowMs: 100, life: died, counts: true }, chance)
  expect(second.action === 'restart' && second.delayMs).toBeGreaterThanOrEqual(policy.baseMs)
})

test('what is temporary is not brought back', () => {
  expect(loseAt([0], died, { ...policy, type: 'temporary' }).action).toBe('stop')
})

test('delays lie between base and cap, and no window ever holds more than max restarts without a quarantine', () => {
  const gaps = fc.array(fc.record({ gapMs: fc.integer({ min: 0, max: 4_000 }), progressed: fc.boolean() }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 0, max: 6 }), fc.integer(), (lives, max, seed) => {
      const by = { ...policy, max }
      const random = seeded(seed)
      let state: PolicyState = freshPolicy
      let nowMs = 0
      let restarts: number[] = []
      for (const { gapMs, progressed } of lives) {
        nowMs += gapMs
        const decision = afterLoss(by, state, { nowMs, life: { readyMs: null, progressed }, counts: true }, random)
        state = decision.state
        if (decision.action === 'quarantine') {
          restarts = []
          nowMs += decision.delayMs
          state = asProbe(state)
          continue
        }
        if (decision.action === 'stop') throw new Error('a permanent one never stops')
        expect(decision.delayMs).toBeGreaterThanOrEqual(by.baseMs)
        expect(decision.delayMs).toBeLessThanOrEqual(by.capMs)
        restarts.push(nowMs)
        expect(restarts.filter((atMs) => atMs >= nowMs - by.withinMs).length).toBeLessThanOrEqual(max)
        expect(state.losses.length).toBeLessThanOrEqual(max + 1)
        nowMs += decision.delayMs
      }
    }),
  )
})
