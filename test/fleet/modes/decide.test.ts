import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decideMode,
  freshRule,
  type RuleFact,
  type RulePolicy,
  type RuleState,
} from '../../../src/fleet/modes/decide.ts'
import { readRule, saveRule } from '../../../src/fleet/modes/saved.ts'
import { modeRank } from '../../../src/model/model.ts'

const policy: RulePolicy = {
  failures: 0.5,
  over: 8,
  withinMs: 60_000,
  holdMs: 1_000,
  longestMs: 8_000,
  least: 'parked',
  calls: false,
}
const chance = { next: () => 0, int: () => 0 } as unknown as Parameters<typeof decideMode>[3]['chance']

/** Facts one after the other, 10 ms apart, from a time on. */
const after = (facts: readonly RuleFact[], from: RuleState = freshRule, nowMs = 1_000, by = policy): RuleState =>
  facts.reduce<RuleState>(
    (state, fact, at) => decideMode(by, state, fact, { nowMs: nowMs + at * 10, chance }).state,
    from,
  )
const times = (count: number, fact: RuleFact): RuleFact[] => Array.from({ length: count }, () => fact)

test('too many failures step down one rung at a time, and no lower than the rule says', () => {
  expect(after(times(7, 'failed')).mode).toBe('active')
  expect(after(times(8, 'failed')).mode).toBe('throttled')
  expect(after(times(16, 'failed')).mode).toBe('parked')
  expect(after(times(99, 'failed'), freshRule, 1_000, { ...policy, least: 'throttled' }).mode).toBe('throttled')
  expect(after([...times(20, 'worked'), ...times(19, 'failed')]).mode).toBe('active')
})

test('calls are weighed as a whole, and apart from the work: neither hides the other', () => {
  expect(after([{ good: 9, bad: 8 }]).mode).toBe('active')
  expect(after([{ good: 8, bad: 8 }]).mode).toBe('throttled')
  expect(after([...times(99, 'worked'), { good: 0, bad: 8 }]).mode).toBe('throttled')
  expect(after([{ good: 999, bad: 0 }, ...times(8, 'failed')]).mode).toBe('throttled')
  const throttled = after([{ good: 0, bad: 500 }])
  expect(throttled.mode).toBe('throttled')
  expect(after([{ good: 40, bad: 2 }], throttled, 2_000)).toMatchObject({ mode: 'active', probation: true })
  expect(after([...times(8, 'failed')], throttled, 2_000).mode).toBe('parked')
})

test('failures of long ago are forgotten', () => {
  const some = after(times(7, 'failed'))
  expect(after(['failed'], some, 120_000).mode).toBe('active')
})

test('three refusals of a credential in a row park at once; one that works in between does not', () => {
  expect(after(times(3, 'credential')).mode).toBe('parked')
  expect(after(['credential', 'credential', 'worked', 'credential']).mode).toBe('active')
})

test('time gives a probation and no more; outcomes give the rest, and the watch ends with a full verdict', () => {
  const parked = after(times(16, 'failed'))
  const early = decideMode(policy, parked, 'due', { nowMs: parked.nextMs! - 1, chance })
  expect(early.state.mode).toBe('parked')
  const probe = decideMode(policy, parked, 'due', { nowMs: parked.nextMs!, chance })
  expect(probe.step).toMatchObject({ from: 'parked', to: 'throttled' })
  const waited = decideMode(policy, probe.state, 'due', { nowMs: probe.state.nextMs! + 1e9, chance })
  expect(waited).toMatchObject({ step: null, state: { mode: 'throttled' } })
  const back = after(times(3, 'worked'), probe.state, 10_000)
  expect(back).toMatchObject({ mode: 'active', probation: true, trips: 2 })
  expect(after(times(8, 'worked'), back, 11_000)).toMatchObject({ mode: 'active', probation: false, trips: 0 })
})

test('a probation that fails steps down sooner, and waits twice as long', () => {
  const parked = after(times(16, 'failed'))
  const probe = decideMode(policy, parked, 'due', { nowMs: parked.nextMs!, chance }).state
  const again = after(times(3, 'failed'), probe, 10_000)
  expect(again).toMatchObject({ mode: 'parked', trips: 3 })
  expect(again.holdMs).toBe(2 * parked.holdMs)
  expect(after(times(99, 'failed'), again, 20_000).mode).toBe('parked')
})

test('a restart goes on at the same step, and waits no longer than the last sitter would have', () => {
  const parked = after(times(16, 'failed'))
  const at = { wallMs: 5_000, monoMs: 1_160, bootId: 'a' }
  const text = saveRule(parked, at)
  const soon = readRule(text, { ...at, wallMs: 5_100, monoMs: 1_260 })!
  expect(soon).toMatchObject({ mode: 'parked', trips: 2, nextMs: parked.nextMs })
  const rebooted = readRule(text, { wallMs: 1, monoMs: 50, bootId: 'b' })!
  expect(rebooted.nextMs! - 50).toBeLessThanOrEqual(parked.holdMs)
  expect(readRule('{}', at)).toBeUndefined()
})

test('whatever is heard: what is stricter than active has a next time, steps are of one rung up, and none is taken by time alone', () => {
  const fact = fc.constantFrom<RuleFact>('worked', 'failed', 'credential', 'due')
  fc.assert(
    fc.property(fc.array(fc.tuple(fact, fc.integer({ min: 0, max: 3_000 })), { maxLength: 200 }), (facts) => {
      let state = freshRule
      let nowMs = 0
      for (const [one, pauseMs] of facts) {
        nowMs += pauseMs
        const before = state
        const { state: next, step } = decideMode(policy, state, one, { nowMs, chance })
        state = next
        if (state.mode !== 'active') expect(state.nextMs).not.toBeNull()
        if (step === null) expect(state.mode).toBe(before.mode)
        else expect(step).toMatchObject({ from: before.mode, to: state.mode })
        const isMilder = modeRank[state.mode] < modeRank[before.mode]
        if (isMilder && one === 'due') expect(state.mode).toBe('throttled')
        if (isMilder && one !== 'due') expect(one).toBe('worked')
        if (isMilder) expect(state.probation).toBe(true)
      }
    }),
  )
})
