/** Groups, `dependsOn` and `maxLifetime` as people write them, and each fault by its path. */
import { expect, test } from 'vitest'
import { inspectConfig } from '../../src/config/parse.ts'
import { planChange } from '../../src/config/plan.ts'

const type = (more: object = {}): object => ({ run: { module: './a.ts' }, count: 3, ...more })
const read = (more: object, agents: object = { a: type(), b: type(), c: type() }) =>
  inspectConfig({ name: 's', agents, ...more }, '/swarm')
const faults = (more: object, agents?: object): readonly string[] =>
  read(more, agents).faults.map(({ path, found, expected }) => `${path}: ${found}; ${expected}`)
const group = (...agents: string[]): object => ({ groups: { g: { agents } } })

test('A group is read with its places in order and its bounds', () => {
  const { config } = read({
    groups: { g: { agents: ['b', 'a/2'], strategy: 'rest_for_one', max: 3, within: '30s' }, h: { agents: ['c'] } },
  })
  expect(config?.groups).toEqual({
    g: { name: 'g', places: ['b', 'a/0002'], strategy: 'rest_for_one', max: 3, withinMs: 30_000 },
    h: { name: 'h', places: ['c'], strategy: 'one_for_one', max: 5, withinMs: 600_000 },
  })
})

test('dependsOn and maxLifetime are read, and absent where nothing is said', () => {
  const { config } = read({}, { a: type({ dependsOn: ['b'], maxLifetime: '24h' }), b: type() })
  expect(config?.agents['a']).toMatchObject({ dependsOn: ['b'], maxLifetimeMs: 86_400_000 })
  expect(config?.agents['b']).not.toHaveProperty('dependsOn')
  expect(faults({}, { a: type({ maxLifetime: '5s' }) })[0]).toContain('agents.a.maxLifetime')
})

test('Who is named must exist, once, in one group', () => {
  expect(faults(group('a', 'x'))[0]).toMatch(/^groups\.g\.agents\[1\]: "x"/)
  expect(faults(group('a/4'))[0]).toMatch(/^groups\.g\.agents\[0\]: "a\/4"; a number from 1 to the count of 3/)
  expect(faults(group('a', 'a/1'))[0]).toMatch(/^groups\.g\.agents\[1\]: "a\/0001"; each agent once/)
  expect(faults(group('a/1', 'a/0001'))[0]).toContain('each agent once')
  expect(faults({ groups: { g: { agents: ['a'] }, h: { agents: ['b', 'a/2'] } } })[0]).toMatch(
    /^groups\.h\.agents\[1\]/,
  )
  expect(faults({ groups: { g: { agents: [] } } })[0]).toContain('groups.g.agents')
  expect(faults({ groups: { g: { agents: ['a'], strategy: 'all' } } })[0]).toContain('groups.g.strategy')
  expect(faults({}, { a: type({ dependsOn: ['nobody'] }) })[0]).toMatch(/^agents\.a\.dependsOn\[0\]: "nobody"/)
})

test('A circle is refused with its path, over types, groups, and both together', () => {
  expect(faults({}, { a: type({ dependsOn: ['a'] }) })[0]).toMatch(/^agents\.a\.dependsOn: a circle: a before itself/)
  const three = { a: type({ dependsOn: ['c'] }), b: type({ dependsOn: ['a'] }), c: type({ dependsOn: ['b'] }) }
  expect(faults({}, three)[0]).toMatch(/^agents\.[abc]\.dependsOn: a circle: \w before \w before \w before \w;/)
  const both = { a: type({ dependsOn: ['b'] }), b: type() }
  expect(faults(group('a', 'b'), both)[0]).toMatch(/^agents\.a\.dependsOn: a circle: /)
  expect(faults(group('a/0001', 'b/0001'), both)[0]).toMatch(/a\/0001/)
  // Agents of the same types in another order are none.
  expect(faults({ groups: { g: { agents: ['a/1', 'b/1'] }, h: { agents: ['b/2', 'a/2'] } } })).toEqual([])
  expect(faults(group('b', 'a'), both)).toEqual([])
})

test('Another order needs a restart of the sitter, and says so', () => {
  const loaded = (more: object, agents?: object) => {
    const raw = { name: 's', agents: agents ?? { a: type(), b: type() }, ...more }
    return { raw, baseDirectory: '/swarm', config: inspectConfig(raw, '/swarm').config! }
  }
  expect(planChange(loaded({}), loaded(group('a'))).restarts).toBe('sitter')
  const plan = planChange(loaded({}), loaded({}, { a: type({ maxLifetime: '1h', dependsOn: ['b'] }), b: type() }))
  expect(plan).toMatchObject({
    restarts: 'none',
    agents: [{ type: 'a', restarts: 0, live: ['dependsOn', 'maxLifetimeMs'] }],
  })
})
