import { expect, test } from 'vitest'
import { verbs } from '../../../src/doors/cli/verbs.ts'
import { groupNames, reference, unexplained } from './reference.ts'

test('docs/cli.md says what the program says', async () => {
  await expect(reference()).toMatchFileSnapshot('../../../docs/cli.md')
})

test('every verb has an example that begins with it, and every shape that it names is spelled out', () => {
  for (const { path, alias, examples, hidden } of verbs) {
    if (hidden === true) continue
    expect(examples.length, path).toBeGreaterThan(0)
    for (const example of examples)
      expect(example === path || example.startsWith(`${path} `) || example === alias, example).toBe(true)
  }
  expect(unexplained()).toEqual([])
})

test('every group of verbs says which second words it has', async () => {
  const { groupSummaries } = await import('../../../src/doors/cli/verbs.ts')
  for (const group of groupNames)
    for (const { path } of verbs)
      if (path.startsWith(`${group} `)) expect(groupSummaries[group]).toContain(path.split(' ')[1])
})
