/** Where a fault stands in the file: as far as it is written out there, and nothing that is not. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lineOf, withLines } from '../../src/config/place.ts'

const config = `import { defineSwarm } from 'swarmsitter'
// agents: { settler: { count: 1 } }
const more = { agents: { settler: { count: 7 } } }
export default defineSwarm({
  name: 'tasks: {', /* tasks: {} */
  notes: \`agents: {
    settler: 1\`,
  agents: {
    'pay-er': { run: { module: './a.ts' }, upstreams: ['a', 'b',
      'c'] },
    settler: {
      // count: 3
      count: -6, restart: made({ max: 3 }),
      ...more,
    },
  },
  tasks: { "my task": { agent: 'settler' } },
})
`

test.each([
  [['name'], 5],
  [['agents'], 8],
  [['agents', 'pay-er', 'run', 'module'], 9],
  [['agents', 'pay-er', 'upstreams', 1], 9],
  [['agents', 'pay-er', 'upstreams', 2], 10],
  [['agents', 'settler', 'count'], 13],
  [['tasks', 'my task', 'agent'], 17],
] as const)('%j stands in line %i', (path, line) => {
  expect(lineOf(config, path)).toBe(line)
})

test('what is absent, or made by code, is told where the last thing around it stands', () => {
  expect(lineOf(config, ['agents', 'settler', 'run'])).toBe(11)
  expect(lineOf(config, ['agents', 'settler', 'restart', 'max'])).toBe(13)
  expect(lineOf(config, ['agents', 'pay-er', 'upstreams', 9])).toBe(9)
  expect(lineOf(config, ['upstreams', 'bank'])).toBeUndefined()
  expect(lineOf('export default make()', ['agents'])).toBeUndefined()
  expect(lineOf('{"agents": {"a": {"count": 1}}}', ['agents', 'a', 'count'])).toBe(1)
})

test('faults get their lines by the path that they were told with, and variables that of their asking', () => {
  const text =
    "export default {\n  tasks: { \"my task\": {\n    agent: 'x' } },\n  list: [1,\n 2],\n  a: env('TOKEN'),\n}"
  const at = (path: string) => withLines([{ path, found: '', expected: '' }], text)[0]!.line
  expect(at('tasks["my task"].agent')).toBe(3)
  expect(at('list[1]')).toBe(5)
  expect(at("env('TOKEN')")).toBe(6)
  expect(at("env('OTHER')")).toBeUndefined()
  expect(at('')).toBeUndefined()
})

test('whatever the text is, it ends', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '(',
    "'",
    '"',
    '`',
    '/*',
    '*/',
    '//',
    '\n',
    ',',
    ':',
    'a',
    '\\',
    'defineSwarm(',
    'export default ',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
      const line = lineOf(`export default {${parts.join('')}`, ['a', 0, 'a'])
      expect(line === undefined || line >= 1).toBe(true)
    }),
  )
})
