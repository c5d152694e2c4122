/** The breaker's decision by itself: when it opens, who probes, and that there is always a way out. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import {
  afterOutcome,
  closedBreaker,
  forgetMs,
  longestProbeMs,
  mayPass,
  nameOfState,
  probeGivenUp,
  probeLostMs,
  type BreakerState,
} from '../../../src/limit/breaker/decide.ts'
import { seeded } from '../../../src/std/std.ts'

const firstProbeMs = 5_000
const rule = { share: 0.5, volume: 20, probeMs: firstProbeMs }
const chance = seeded(7)
const play = (outcomes: string, from: BreakerState = closedBreaker, stepMs = 10): BreakerState => {
  let state = from
  for (const [index, one] of [...outcomes].entries())
    state = afterOutcome(rule, state, { failed: one === 'x', probe: false, nowMs: index * stepMs }, chance)
  return state
}

test('It opens at the share of failures among enough calls, and not before there were enough', () => {
  expect(nameOfState(play('x'.repeat(19)))).toBe('closed')
  expect(nameOfState(play('x'.repeat(20)))).toBe('open')
  expect(nameOfState(play('.'.repeat(11) + 'x'.repeat(9)))).toBe('closed')
  expect(nameOfState(play('.'.repeat(100) + 'x'.repeat(9)))).toBe('closed')
  expect(nameOfState(play('.'.repeat(100) + 'x'.repeat(10)))).toBe('open')
  // Failures that lie far apart are no outage.
  expect(nameOfState(play('x'.repeat(100), closedBreaker, forgetMs + 1))).toBe('closed')
})

test('Open, it lets nobody through until its next probe, then one, and twice as rarely each time that fails', () => {
  let state = play('x'.repeat(20))
  let nowMs = 200
  let lastMs = firstProbeMs
  for (let round = 0; round < 12; round += 1) {
    const { nextMs } = state.open!
    expect(nextMs - nowMs).toBeGreaterThanOrEqual(Math.min(longestProbeMs, lastMs) * 0.99 - 20)
    expect(mayPass(state, nextMs - 1)).toEqual({ pass: false, nextMs })
    const first = mayPass(state, nextMs)
    if (!first.pass) throw new Error('the probe was not let through')
    expect(first.probe).toBe(true)
    expect(nameOfState(first.state)).toBe('half-open')
    expect(mayPass(first.state, nextMs + 1)).toEqual({ pass: false, nextMs: nextMs + probeLostMs })
    nowMs = nextMs + 50
    state = afterOutcome(rule, first.state, { failed: true, probe: true, nowMs }, chance)
    lastMs = Math.min(longestProbeMs, lastMs * 2)
  }
  expect(state.open!.nextMs - nowMs).toBeLessThanOrEqual(longestProbeMs * 1.2)
  const probe = mayPass(state, state.open!.nextMs)
  if (!probe.pass) throw new Error('the probe was not let through')
  expect(afterOutcome(rule, probe.state, { failed: false, probe: true, nowMs }, chance)).toEqual(closedBreaker)
})

test('A probe that was not sent, or is never heard of again, keeps nobody out', () => {
  const open = play('x'.repeat(20))
  const probe = mayPass(open, open.open!.nextMs)
  if (!probe.pass) throw new Error('the probe was not let through')
  expect(mayPass(probeGivenUp(probe.state), open.open!.nextMs + 1)).toMatchObject({ pass: true, probe: true })
  expect(mayPass(probe.state, open.open!.nextMs + probeLostMs)).toMatchObject({ pass: true, probe: true })
})

test('Calls that were under way when it opened neither close it nor put its probe off', () => {
  const open = play('x'.repeat(20))
  expect(afterOutcome(rule, open, { failed: false, probe: false, nowMs: 300 }, chance)).toEqual(open)
  expect(afterOutcome(rule, open, { failed: true, probe: false, nowMs: 300 }, chance)).toEqual(open)
})

property.prop([
  fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 60_000 })), { maxLength: 300 }),
  fc.integer(),
])('Whatever happens, somebody may pass within the longest wait, and never two probes at once', (steps, seed) => {
  const random = seeded(seed)
  let state: BreakerState = closedBreaker
  let nowMs = 0
  let probing = false
  for (const [failed, waitMs] of steps) {
    nowMs += waitMs
    const admission = mayPass(state, nowMs)
    if (!admission.pass) {
      expect(admission.nextMs).toBeGreaterThan(nowMs)
      expect(admission.nextMs - nowMs).toBeLessThanOrEqual(longestProbeMs * 1.2)
      continue
    }
    expect(probing && admission.probe).toBe(false)
    state = admission.state
    probing = admission.probe
    state = afterOutcome(rule, state, { failed, probe: admission.probe, nowMs }, random)
    probing = false
    expect(state.recent.length).toBeLessThanOrEqual(rule.volume)
  }
})
