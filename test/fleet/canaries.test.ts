/** Whether a drill may harm an agent now: only what is there for that, and only while nothing else is wrong. */
import { expect, test } from 'vitest'
import { chooseCanary } from '../../src/fleet/fleet.ts'
import { agentType } from './world.ts'

type Facts = Parameters<typeof chooseCanary>[0]
const cell = { id: 'cel_1', kind: 'pool', pid: 7, startTime: '9' }
const agent = (id: string, state: string, where: object | null = cell) =>
  ({ id, state, cell: where }) as unknown as Facts['agents'][number]
const facts = (more: Partial<Facts> = {}): Facts => ({
  type: agentType({ name: 'canary', canary: true }),
  agents: [agent('canary/0001', 'busy'), agent('canary/0002', 'idle')],
  named: 'canary',
  frozen: false,
  incidents: [],
  other: null,
  ...more,
})
const refusalOf = (more: Partial<Facts>): string => {
  try {
    chooseCanary(facts(more))
    return 'none'
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('the first that is idle in a process is chosen', () => {
  expect(chooseCanary(facts()).id).toBe('canary/0002')
})

test.each([
  ['nobody has that name', { type: undefined }, 'not-found'],
  ['it is no canary', { type: agentType({ name: 'payer' }) }, 'not-allowed'],
  ['the swarm is frozen', { frozen: true }, 'conflict'],
  ['nobody knows whether it is frozen', { frozen: 'unknown' }, 'conflict'],
  ['an incident is open', { incidents: ['the gate is gone'] }, 'conflict'],
  ['another drill goes on', { other: 'req_1' }, 'conflict'],
  ['all are at work', { agents: [agent('canary/0001', 'busy')] }, 'conflict'],
  ['those that are idle sleep', { agents: [agent('canary/0001', 'idle', null)] }, 'conflict'],
] as const)('it is refused when %s', (_why, more, code) => {
  expect(refusalOf(more)).toBe(code)
})
