import fc from 'fast-check'
import { expect, test } from 'vitest'
import { explainPath, formatChange, planChange, readPath } from '../../src/config/config.ts'

const raw = {
  name: 'payouts',
  agents: { settler: { run: { module: './a.ts' }, count: 3 }, reader: { run: { module: './b.ts' } } },
  tasks: { settle: { agent: 'settler' } },
  upstreams: { bank: { url: 'http://127.0.0.1:9', allow: ['GET /**'] } },
}

test('the same configuration changes nothing, in whatever order its keys stand', () => {
  const turned = Object.fromEntries(Object.entries(raw).toReversed())
  expect(planChange(raw, turned)).toMatchObject({ changes: [], restarts: 'none', agentTypes: [] })
})

test.each([
  ['a count', { agents: { ...raw.agents, settler: { ...raw.agents.settler, count: 4 } } }, 'sitter', ['settler']],
  ['a new task type', { tasks: { ...raw.tasks, look: { agent: 'reader' } } }, 'sitter', []],
  ['an upstream', { upstreams: { bank: { ...raw.upstreams.bank, allow: [] } } }, 'sitter and gate', []],
  ['a name', { name: 'other' }, 'swarm', []],
  ['a port', { api: { port: 1 } }, 'swarm', []],
  ['a port and an upstream', { api: { port: 1 }, upstreams: {} }, 'swarm', []],
] as const)('%s: who begins anew is said', (_what, change, restarts, agentTypes) => {
  const plan = planChange(raw, { ...raw, ...change })
  expect(plan).toMatchObject({ restarts, agentTypes })
  expect(plan.changes.length).toBeGreaterThan(0)
})

test('changes are told by path, with what was and what is', () => {
  const { changes } = planChange(raw, {
    ...raw,
    agents: { settler: { run: { module: './a.ts' }, count: 4, heartbeat: '9s' } },
  })
  expect(changes.map(formatChange)).toEqual([
    '- agents.reader (was {"run":{"module":"./b.ts"}})',
    '~ agents.settler.count: 3 → 4',
    '+ agents.settler.heartbeat = "9s"',
  ])
})

test('whatever two values are, no change is lost: equal exactly when the plan says that nothing changes', () => {
  const value = fc.dictionary(fc.constantFrom('agents', 'tasks', 'a', '__proto__', 'constructor'), fc.jsonValue())
  fc.assert(
    fc.property(value, value, (before, after) => {
      const [left, right] = [before, after].map((one) => JSON.parse(JSON.stringify(one)) as unknown)
      expect(planChange(left, left).restarts).toBe('none')
      expect(planChange(left, right).changes.length).toBe(planChange(right, left).changes.length)
    }),
  )
})

test('a path is explained: written or default, and what may stand below', () => {
  expect(explainPath(raw, readPath('agents.settler.count'))).toMatchObject({ value: 3, written: 3, origin: 'written' })
  expect(explainPath(raw, readPath('agents.settler.heartbeat'))).toMatchObject({ value: 30_000, origin: 'default' })
  expect(explainPath(raw, readPath('agents.settler.restart')).keys).toContain('within')
  expect(explainPath(raw, readPath('upstreams.bank.allow[0]'))).toMatchObject({ value: 'GET /**' })
})

test.each([
  'agents.setler',
  'agents.settler.cuont',
  'upstreams.bank.allow[7]',
  '__proto__.polluted',
  'constructor.name',
])('a path that leads nowhere is refused: %s', (path) => {
  expect(() => explainPath(raw, readPath(path))).toThrow(/nothing stands at/)
})

test.each(['agents..x', 'a[b]', 'a.', '[', 'a]'])('what is no path is refused: %s', (path) => {
  expect(() => readPath(path)).toThrow(/is no path/)
})
