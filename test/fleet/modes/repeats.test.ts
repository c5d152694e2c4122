import { expect, test } from 'vitest'
import { decideRepeat, freshRepeat, type RepeatState, type Seen } from '../../../src/fleet/modes/repeats.ts'
import type { RepeatRule } from '../../../src/model/model.ts'

const rule: RepeatRule = { calls: 100, withinMs: 60_000, holdMs: 30_000, longestMs: 600_000, least: 'quarantined' }

/** One agent, looked at each second. */
const watch = (of: RepeatRule = rule) => {
  let state: RepeatState = freshRepeat
  let nowMs = 0
  const steps: string[] = []
  const look = (seen: Seen | undefined, progressedMs: number | null = null): void => {
    const decided = decideRepeat(of, state, seen, { nowMs, progressedMs })
    state = decided.state
    if (decided.step !== null) steps.push(`${nowMs / 1_000}: ${decided.step.from} → ${decided.step.to}`)
    nowMs += 1_000
  }
  return { look, steps, state: () => state }
}
const seen = (times: number, lately = times): Seen => ({ call: 'POST /llm/v1', times, lately, sinceMs: 5 })

test('Who goes on and on goes down step by step, each held twice as long, and is tried again when its time is over', () => {
  const { look, steps } = watch()
  // Ten calls a second, without end; in quarantine there is nobody who could call.
  for (let second = 0; second < 400; second += 1)
    look(steps.at(-1)?.endsWith('quarantined') ? undefined : seen(100 + second * 10, 200))
  expect(steps).toEqual([
    '15: active → throttled',
    '45: throttled → shadow',
    '105: shadow → quarantined',
    '225: quarantined → shadow',
    '345: shadow → quarantined',
  ])
})

test('Who stops comes back by itself, and is nobody to remember', () => {
  const { look, steps, state } = watch()
  for (let second = 0; second < 20; second += 1) look(seen(100 + second * 10, 200))
  for (let second = 20; second < 120; second += 1) look(second < 60 ? seen(250, 10) : undefined)
  expect(steps).toEqual(['15: active → throttled', '45: throttled → active'])
  expect(state()).toMatchObject({ rung: 'active', trips: 0, nextMs: null })
})

test('A burst is no runaway, nor is who gets work done between the same calls', () => {
  const burst = watch()
  for (let second = 0; second < 10; second += 1) burst.look(seen(500))
  for (let second = 10; second < 60; second += 1) burst.look(undefined)
  expect(burst.steps).toEqual([])
  const busy = watch()
  for (let second = 0; second < 300; second += 1) busy.look(seen(100 + second * 10, 600), Math.floor(second / 5))
  expect(busy.steps).toEqual([])
  // It gets nothing done any more: counted from the last work on.
  for (let second = 300; second < 320; second += 1) busy.look(seen(3_100 + (second - 300) * 10, 600), 59)
  expect(busy.steps).toEqual(['310: active → throttled'])
})

test('It goes no further down than the rule says, and stays there while it goes on', () => {
  const { look, steps, state } = watch({ ...rule, least: 'throttled' })
  for (let second = 0; second < 200; second += 1) look(seen(100 + second * 10, 200))
  expect(steps).toEqual(['15: active → throttled'])
  expect(state().nextMs).toBeGreaterThan(190_000)
})

test('A look that finds other calls begins counting anew', () => {
  const { look, steps } = watch()
  for (let second = 0; second < 100; second += 1)
    look({ ...seen(100 + second, 200), call: `GET /a/${Math.floor(second / 10)}` })
  expect(steps).toEqual([])
})
