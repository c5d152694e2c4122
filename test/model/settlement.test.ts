import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  isSettlementEnd,
  mayBeSent,
  nextSettlementState,
  settlementAfter,
  settlementEvents,
  settlementStates,
  type SettlementState,
} from '../../src/model/model.ts'

const exits = (state: SettlementState): SettlementState[] =>
  settlementEvents.map((event) => nextSettlementState(state, event)).filter((next) => next !== undefined)

test.for(settlementStates)('From %s every event leads to a state of the list, or nowhere', (state) => {
  for (const event of settlementEvents) {
    const next = nextSettlementState(state, event)
    if (next === undefined)
      expect(() => settlementAfter(state, event)).toThrow(expect.objectContaining({ code: 'bug' }))
    else expect([settlementAfter(state, event), settlementStates.includes(next)]).toEqual([next, true])
  }
})

test('What has ended stays as it is; only money that came back leaves settled', () => {
  const ends = settlementStates.filter(isSettlementEnd)
  expect(ends).toEqual(['settled', 'rejected', 'failed', 'cancelled', 'returned'])
  expect(ends.flatMap((end) => exits(end).map((next) => `${end} ${next}`))).toEqual(['settled returned'])
  expect(nextSettlementState('settled', 'return')).toBe('returned')
})

test('Whatever has not ended can end', () => {
  for (const state of settlementStates) {
    const reached = new Set([state])
    for (const one of reached) for (const next of exits(one)) reached.add(next)
    expect([state, [...reached].some(isSettlementEnd)]).toEqual([state, true])
    if (!isSettlementEnd(state)) expect([state, exits(state).length > 0]).toEqual([state, true])
  }
})

test('While bytes may be at the provider, nothing is cancelled, given up, held or sent again', () => {
  const open = settlementStates.filter(mayBeSent)
  expect(open).toEqual(['submitting', 'accepted', 'unknown'])
  for (const state of open) {
    for (const event of ['cancel', 'give-up', 'hold', 'approve', 'reserve', 'submit'] as const) {
      expect([state, event, nextSettlementState(state, event)]).toEqual([state, event, undefined])
    }
  }
})

test('Every way to a second payment request goes through proof that the first was not taken', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...settlementEvents), { maxLength: 60, size: 'max' }), (events) => {
      let state: SettlementState = 'draft'
      let sentAndNotDisproved = false
      for (const event of events) {
        const next = nextSettlementState(state, event)
        if (next === undefined) continue
        if (event === 'submit') {
          expect(sentAndNotDisproved).toBe(false)
          sentAndNotDisproved = true
        }
        if (event === 'not-sent' || event === 'absent') sentAndNotDisproved = false
        if (next === 'failed' || next === 'cancelled') expect(sentAndNotDisproved).toBe(false)
        state = next
      }
    }),
    { numRuns: 2_000 },
  )
})

test('Nothing is sent before it is reserved', () => {
  const before = settlementStates.filter((state) => nextSettlementState(state, 'submit') !== undefined)
  expect(before).toEqual(['reserved'])
})
