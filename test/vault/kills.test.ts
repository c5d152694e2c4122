import { expect, test } from 'vitest'
import { killRotations } from './kills.ts'
import { compareUses } from './swarm-kills.ts'

test('a gate that is killed in its rotations finds one version that serves, and leaves no key behind', async () => {
  expect(await killRotations(2, 7)).toEqual([])
})

test('a use without its entry, an entry without its use, and a call without either are found', () => {
  const row = (journal: number, ended: string, path = `/v1/work/caller-0001/${journal}`) => ({
    journal,
    agent: 'caller/0001',
    upstream: 'bank',
    path,
    credential: 'bank',
    version: 1,
    ended,
  })
  const use = (journal: number, actor = 'agent:caller/0001') => ({
    actor,
    action: 'credential.use',
    object: 'bank@1',
    decision: 'allowed',
    facts: { journal, upstream: 'bank' },
  })
  const rows = [row(1, 'answered'), row(2, 'lost'), row(3, 'answered')]
  const uses = [use(1), use(2), use(3)]
  const seen = [rows[0]!.path, rows[2]!.path]
  expect(compareUses(seen, rows, uses)).toEqual([])
  // A call that was cut may have arrived as well.
  expect(compareUses([...seen, rows[1]!.path], rows, uses)).toEqual([])
  expect(compareUses(seen, rows, uses.slice(1))).toHaveLength(1)
  expect(compareUses(seen, rows, [...uses, use(4)])).toHaveLength(1)
  expect(compareUses(seen, rows, [...uses, use(3)])).toHaveLength(1)
  expect(compareUses(seen.slice(1), rows, uses)).toHaveLength(1)
  expect(compareUses([...seen, seen[0]!], rows, uses)).toHaveLength(1)
  expect(compareUses(seen, rows, [use(1, 'agent:caller/0002'), ...uses.slice(1)])).toHaveLength(1)
  const other = row(1, 'answered', '/v1/work/caller-0002/1')
  expect(compareUses([other.path, seen[1]!], [other, ...rows.slice(1)], uses)).toHaveLength(1)
})
