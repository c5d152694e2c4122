/**
 * The short form of `npm run hazards`: of each kind of attempt one or two that take no seconds, in a sandbox. That the
 * attempts are real is shown where nothing holds them. All of them: hazards.slow.ts.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { openAttacked } from '../hazards/kinds.ts'
import { list } from '../hazards/list.ts'

const { machine, world, close } = await openAttacked()
afterAll(close)

describe('Where nothing holds them, the attempts succeed: they are real', () => {
  test.each(['network', 'record-sqlite', 'neighbour-environment', 'symlink', 'socket', 'abstract-socket'])(
    '%s',
    async (hazard) => {
      expect(await world.tryHazard('process', hazard, 'shared')).toMatchObject({ verdict: 'got' })
    },
  )
})

/** What uses up, what ends its process, what reads, writes, and reaches out: each is held by something else. */
const ofEachKind: ReadonlySet<string> = new Set([
  'buffers',
  'recursion',
  'segfault',
  'exit',
  'globals',
  'descriptors',
  'fork-bomb',
  'disk-fill',
  'neighbour-environment',
  'network',
  'record-sqlite',
  'symlink',
  'system-write',
  'proc-memory',
  'ptrace',
  'socket',
  'abstract-socket',
  'daemon',
])

const here = machine.bwrap === null ? `not tried: ${machine.abilities.namespaces.says}` : 'each is contained'
describe(`In a sandbox, ${here}`, () => {
  if (machine.bwrap === null)
    return test('It says what to do about it', () => expect(machine.abilities.namespaces.fix).not.toBe(null))
  test('A villain can run in there at all', async () => {
    expect(await world.tryHazard('sandbox', 'control')).toMatchObject({ verdict: 'got' })
  })
  test('Each that is named here is in the list', () => {
    expect([...ofEachKind].filter((wanted) => !list.some(([hazard]) => hazard === wanted))).toEqual([])
  })
  test.for(list.filter(([hazard]) => ofEachKind.has(hazard)))('%s: %s', async ([hazard], { skip }) => {
    const { verdict, detail } = await world.tryHazard('sandbox', hazard)
    // What was not tried is not passed.
    skip(verdict === 'not-tried', detail)
    expect(verdict, detail).toBe('contained')
  })
})
