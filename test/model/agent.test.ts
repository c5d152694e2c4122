import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  agentAfter,
  agentStates,
  formatAgent,
  nextAgentState,
  parseAgent,
  type AgentEvent,
  type AgentStateName,
} from '../../src/model/model.ts'

/** Every event; the type makes the list complete. */
const events = Object.keys({
  start: 1,
  ready: 1,
  claim: 1,
  finish: 1,
  silent: 1,
  heard: 1,
  'heard-busy': 1,
  lost: 1,
  due: 1,
  quarantine: 1,
  release: 1,
  stop: 1,
  ended: 1,
  pause: 1,
  resume: 1,
  sleep: 1,
} satisfies Record<AgentEvent, 1>) as AgentEvent[]

const exits = (state: AgentStateName): AgentStateName[] =>
  events.map((event) => nextAgentState(state, event)).filter((next) => next !== undefined)

test.for(agentStates)('From %s every event leads to a state of the list, or nowhere', (state) => {
  for (const event of events) {
    const next = nextAgentState(state, event)
    if (next === undefined) expect(() => agentAfter(state, event)).toThrow(expect.objectContaining({ code: 'bug' }))
    else expect([agentAfter(state, event), agentStates.includes(next)]).toEqual([next, true])
  }
})

test('From every state an agent can come to work again, and can be stopped', () => {
  for (const state of agentStates) {
    const reached = new Set([state])
    for (const one of reached) for (const next of exits(one)) reached.add(next)
    expect([state, reached.has('busy'), reached.has('stopped')]).toEqual([state, true, true])
  }
})

test('Only an idle agent is given work', () => {
  expect(agentStates.filter((state) => nextAgentState(state, 'claim') !== undefined)).toEqual(['idle'])
})

test('An agent that is lost is idle or busy no more', () => {
  for (const state of agentStates) expect([state, ['idle', 'busy']]).not.toEqual([state, nextAgentState(state, 'lost')])
  for (const state of ['starting', 'idle', 'busy', 'suspect'] as const)
    expect(nextAgentState(state, 'lost')).toBe('backoff')
})

test('A suspect that is heard goes back to what it was doing', () => {
  expect(agentAfter(agentAfter('idle', 'silent'), 'heard')).toBe('idle')
  expect(agentAfter(agentAfter(agentAfter('busy', 'silent'), 'heard-busy'), 'finish')).toBe('idle')
})

test('A quarantined agent does nothing until it is released, probed or stopped', () => {
  expect(events.filter((event) => nextAgentState('quarantined', event) !== undefined).toSorted()).toEqual([
    'due',
    'release',
    'stop',
  ])
})

test('An agent id is read back, with or without leading zeros', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/), fc.integer({ min: 0, max: 9_999_999 }), (type, number) => {
      expect(parseAgent(formatAgent({ type, number }))).toEqual({ type, number })
      expect(parseAgent(`${type}/${number}`)).toEqual({ type, number })
    }),
  )
  expect(formatAgent({ type: 'settler', number: 42 })).toBe('settler/0042')
  expect(parseAgent('settler/42')).toEqual(parseAgent('settler/0042'))
})

test.for([
  '',
  'settler',
  'settler/',
  '/1',
  'settler/-1',
  'settler/1.5',
  'settler/1e3',
  'Settler/1',
  '1a/1',
  'a/b/1',
  '../1',
  'a/../1',
  'a/1\n',
  ' a/1',
  'a/\uff11',
  'a/12345678',
  `${'a'.repeat(64)}/1`,
  'a_b/1',
  'a.b/1',
  'a\u200b/1',
  '__proto__/1',
])('"%s" is no agent', (text) => {
  expect(parseAgent(text)).toBeUndefined()
})
