/** Ready work that nobody can take: told only where every agent of its type is out. */
import { expect, test } from 'vitest'
import { stalledText } from '../../../src/doors/cli/judgement.ts'
import { stalledWork } from '../../../src/doors/http/figures.ts'

const tasks = { think: { agent: 'crasher' }, pay: { agent: 'payer' } } as unknown as Parameters<typeof stalledWork>[0]
const view = (byType: object, states: object): Parameters<typeof stalledWork>[1] =>
  ({ work: { byType }, fleet: { byType: states } }) as unknown as Parameters<typeof stalledWork>[1]

test('it is told with how its agents are, and not while one of them works, sleeps or comes back', () => {
  const byType = { think: { ready: 2, dead: 1 }, pay: { ready: 5 }, gone: { ready: 1 } }
  const found = stalledWork(
    tasks,
    view(byType, { crasher: { quarantined: 3, idle: 0 }, payer: { idle: 1, stopped: 9 } }),
  )
  expect(found).toEqual([{ type: 'think', agentType: 'crasher', ready: 2, states: { quarantined: 3 } }])
  expect(stalledText(found[0]!)).toBe('2 tasks of think have nobody: 3 agents of crasher quarantined')
  for (const state of ['busy', 'backoff', 'starting', 'hibernating', 'unknown'])
    expect(stalledWork(tasks, view(byType, { crasher: { quarantined: 3, [state]: 1 }, payer: { idle: 1 } }))).toEqual(
      [],
    )
  expect(stalledWork(tasks, view({ think: { succeeded: 9 } }, { crasher: { quarantined: 3 } }))).toEqual([])
})
