import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  explainPath,
  formatChange,
  parseConfig,
  planChange,
  readPath,
  type PlannedConfig,
} from '../../src/config/config.ts'
import { changesBetween } from '../../src/config/plan.ts'

const raw = {
  name: 'payouts',
  agents: { settler: { run: { module: './a.ts' }, count: 3 }, reader: { run: { module: './b.ts' } } },
  tasks: { settle: { agent: 'settler' } },
  upstreams: { bank: { url: 'http://127.0.0.1:9', allow: ['GET /**'] } },
}

const planned = (value: unknown): PlannedConfig => ({
  raw: value,
  baseDirectory: '/x',
  config: parseConfig(value, '/x'),
})
const plan = (before: unknown, after: unknown) => planChange(planned(before), planned(after))

test('the same configuration changes nothing, in whatever order its keys stand', () => {
  const turned = Object.fromEntries(Object.entries(raw).toReversed())
  expect(plan(raw, turned)).toMatchObject({ changes: [], restarts: 'none', agents: [], effects: ['nothing changes'] })
})

const { settler } = raw.agents
const other = (change: object): object => ({ agents: { ...raw.agents, settler: { ...settler, ...change } } })

test.each([
  ['a new task type', { tasks: { ...raw.tasks, look: { agent: 'reader' } } }, 'none', false],
  ['an upstream', { upstreams: { bank: { ...raw.upstreams.bank, allow: ['GET /x'] } } }, 'none', true],
  ['a name', { name: 'other' }, 'swarm', false],
  ['a record', { store: 'postgres://127.0.0.1/x' }, 'swarm', false],
  ['a port', { api: { port: 1 } }, 'sitter', false],
  ['a port and an upstream', { api: { port: 1 }, upstreams: {} }, 'sitter', true],
] as const)('%s: who begins anew is said', (_what, change, restarts, gate) => {
  const found = plan(raw, { ...raw, ...change })
  expect(found).toMatchObject({ restarts, gate, agents: [] })
  expect(found.changes.length).toBeGreaterThan(0)
  if (restarts !== 'none') expect(found.effects[1]).toMatch(/only a restart of .* reaches (name|store|api)/)
})

test.each([
  ['more', { count: 5 }, { kind: 'changed', from: 3, to: 5, restarts: 0, because: [], live: [] }],
  ['fewer', { count: 1 }, { kind: 'changed', from: 3, to: 1, restarts: 0 }],
  ['a restart policy', { restart: { max: 9 } }, { restarts: 0, live: ['restart'] }],
  ['a heartbeat', { heartbeat: '9s', stuckAfter: '1m' }, { restarts: 0, live: ['heartbeatMs', 'stuckAfterMs'] }],
  ['upstreams', { upstreams: ['bank'] }, { restarts: 0, live: ['upstreams'] }],
  ['another program', { run: { module: './c.ts' } }, { restarts: 3, because: ['run'] }],
  ['memory', { limits: { memory: '64MB' } }, { restarts: 3, because: ['memoryBytes'] }],
  ['a limit', { limits: { pids: 100 } }, { restarts: 3, because: ['limits'] }],
  ['no walls', { cell: { kind: 'pool', walls: false } }, { restarts: 3, because: ['walls'] }],
  ['a setting of its own', { config: { a: 1 }, count: 2 }, { from: 3, to: 2, restarts: 2, because: ['config'] }],
] as const)('%s: what it means for the agents of a type', (_what, change, found) => {
  expect(plan(raw, { ...raw, ...other(change) }).agents).toMatchObject([{ type: 'settler', ...found }])
})

test('types come and go by name, and the same text in another directory is another program', () => {
  const { reader } = raw.agents
  expect(plan(raw, { ...raw, agents: { settler, writer: { ...reader, count: 4 } } }).agents).toMatchObject([
    { type: 'reader', kind: 'removed', from: 1, to: 0 },
    { type: 'writer', kind: 'added', from: 0, to: 4 },
  ])
  const moved = { raw, baseDirectory: '/y', config: parseConfig(raw, '/y') }
  expect(planChange(planned(raw), moved)).toMatchObject({
    changes: [{ path: '(directory)' }],
    agents: [
      { type: 'reader', restarts: 1 },
      { type: 'settler', restarts: 3, because: ['run'] },
    ],
  })
})

test('the plan says by type what happens, in a sentence', () => {
  const { reader } = raw.agents
  const after = {
    ...raw,
    agents: { settler: { ...settler, count: 5, heartbeat: '9s' }, writer: { ...reader, count: 1 } },
  }
  expect(plan(raw, after).effects.slice(1, 4)).toEqual([
    'reader is removed: 1 agent finishes what it has in hand and stops; tasks for it wait until it is back',
    'settler changes: 2 agents start in addition; heartbeat holds at once; no agent that stays begins anew',
    'writer is added: 1 agent starts',
  ])
  expect(plan(raw, { ...raw, ...other({ limits: { memory: '64MB' }, count: 2 }) }).effects[1]).toBe(
    'settler changes: 1 agent finishes what it has in hand and stops; ' +
      '2 agents begin anew, one part after the other, because of limits.memory',
  )
})

test('what becomes of work and money under way is said', () => {
  const channel = { kind: 'http', upstream: 'bank', pay: 'POST /pay', body: { reference: '{reference}' } }
  const bank = { url: 'http://127.0.0.1:9', allow: ['POST /pay'], money: ['POST /pay'] }
  const before = { ...raw, upstreams: { bank }, channels: { wire: channel } }
  const effects = (change: object): string => plan(before, { ...before, ...change }).effects.join('\n')
  expect(effects({ tasks: {} })).toContain('tasks of settle that are there already are not tried again')
  expect(effects({ channels: {} })).toContain('payments by wire that have not ended wait for a person')
  expect(effects({ upstreams: { bank: { ...bank, url: 'http://127.0.0.1:10' } } })).toContain('wire pays at another')
  expect(effects({ upstreams: { bank: { ...bank, timeout: '9s' } } })).not.toContain('wire')
})

test('a setting that is written otherwise and means the same changes no agent', () => {
  const found = plan({ ...raw, ...other({ heartbeat: '60s' }) }, { ...raw, ...other({ heartbeat: '1m' }) })
  expect(found).toMatchObject({ changes: [{ path: 'agents.settler.heartbeat' }], agents: [] })
})

test('changes are told by path, with what was and what is', () => {
  const { changes } = plan(raw, {
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
      const between = (one: unknown, two: unknown): number =>
        changesBetween({ raw: one, baseDirectory: '/x' }, { raw: two, baseDirectory: '/x' }).length
      expect(between(left, left)).toBe(0)
      expect(between(left, right)).toBe(between(right, left))
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
