import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  isTaskEnd,
  nextTaskState,
  taskAfter,
  taskStates,
  waitReasons,
  type TaskEvent,
  type TaskState,
  type TaskStateName,
} from '../../src/model/model.ts'

const states: Record<TaskStateName, TaskState> = {
  blocked: { state: 'blocked' },
  ready: { state: 'ready' },
  running: { state: 'running', attempt: 'att_1' },
  waiting: { state: 'waiting', reason: 'rate', untilMs: 5 },
  succeeded: { state: 'succeeded' },
  dead: { state: 'dead' },
  cancelled: { state: 'cancelled' },
}
const events: Record<TaskEvent['event'], TaskEvent> = {
  unblock: { event: 'unblock' },
  due: { event: 'due' },
  wake: { event: 'wake' },
  interrupt: { event: 'interrupt' },
  succeed: { event: 'succeed' },
  'give-up': { event: 'give-up', reason: 'attempts' },
  discard: { event: 'discard' },
  cancel: { event: 'cancel' },
  redrive: { event: 'redrive' },
  claim: { event: 'claim', attempt: 'att_2' },
  retry: { event: 'retry', untilMs: 9 },
  park: { event: 'park', reason: 'approval', untilMs: null },
}
const allStates = Object.values(states)
const allEvents = Object.values(events)

const exits = (state: TaskState): TaskState[] =>
  allEvents.map((event) => nextTaskState(state, event)).filter((next) => next !== undefined)

test('The states of the test are the states of the model', () => {
  expect(Object.keys(states).toSorted()).toEqual([...taskStates].toSorted())
})

test.for(allStates)('From $state every event leads to a state of the list, or nowhere', (state) => {
  for (const event of allEvents) {
    const next = nextTaskState(state, event)
    if (next === undefined) expect(() => taskAfter(state, event)).toThrow(expect.objectContaining({ code: 'bug' }))
    else expect([taskAfter(state, event), taskStates.includes(next.state)]).toEqual([next, true])
  }
})

test('What has ended stays as it is; only the dead are driven again, or put away', () => {
  const ends = allStates.filter(({ state }) => isTaskEnd(state))
  expect(ends.map(({ state }) => state)).toEqual(['succeeded', 'dead', 'cancelled'])
  expect(ends.flatMap((end) => exits(end).map((next) => `${end.state} ${next.state}`))).toEqual([
    'dead cancelled',
    'dead ready',
  ])
})

test('Whatever has not ended has an exit, and can end', () => {
  for (const state of allStates.filter((one) => !isTaskEnd(one.state))) {
    const reached = new Map([[state.state, state]])
    for (const one of reached.values())
      for (const next of exits(one)) if (!reached.has(next.state)) reached.set(next.state, next)
    expect([state.state, exits(state).length > 0]).toEqual([state.state, true])
    expect([state.state, reached.has('succeeded'), reached.has('dead'), reached.has('cancelled')]).toEqual([
      state.state,
      true,
      true,
      true,
    ])
  }
})

test('Only what is ready is claimed, and only the claimed succeeds, waits or is interrupted', () => {
  const from = (event: TaskEvent['event']): string[] =>
    allStates.filter((state) => nextTaskState(state, events[event])).map(({ state }) => state)
  expect(from('claim')).toEqual(['ready'])
  for (const event of ['succeed', 'retry', 'park', 'interrupt'] as const)
    expect([event, from(event)]).toEqual([event, ['running']])
})

test('A state carries what its event said: the attempt, the reason, and until when', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...waitReasons), fc.option(fc.nat()), (attempt, reason, untilMs) => {
      expect(taskAfter({ state: 'ready' }, { event: 'claim', attempt })).toEqual({ state: 'running', attempt })
      const running: TaskState = { state: 'running', attempt }
      expect(taskAfter(running, { event: 'park', reason, untilMs })).toEqual({ state: 'waiting', reason, untilMs })
      expect(taskAfter(running, { event: 'retry', untilMs: 4 })).toEqual({
        state: 'waiting',
        reason: 'retry',
        untilMs: 4,
      })
    }),
  )
})
