/**
 * The short form of `npm run hazards`: each attempt that does not take seconds, in a sandbox. That the attempts are real
 * is shown where nothing holds them.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { openAttacked } from '../hazards/kinds.ts'
import { list } from '../hazards/list.ts'

const { machine, world, close } = await openAttacked()
afterAll(close)

/** They end by being killed after seconds of silence; supervision has its own tests of that. */
const slow = new Set([
  'loop',
  'microtasks',
  'heap',
  'text',
  'numbers',
  'promises',
  'timers',
  'words',
  'native-long',
  'native-blind',
  'print-flood',
])

describe('Where nothing holds them, the attempts succeed: they are real', () => {
  test.each(['network', 'record-sqlite', 'neighbour-environment', 'symlink', 'socket', 'abstract-socket'])(
    '%s',
    async (hazard) => {
      expect(await world.tryHazard('process', hazard)).toMatchObject({ verdict: 'got' })
    },
  )
})

const here = machine.bwrap === null ? `not tried: ${machine.abilities.namespaces.says}` : 'each is contained'
describe(`In a sandbox, ${here}`, () => {
  if (machine.bwrap === null)
    return test('It says what to do about it', () => expect(machine.abilities.namespaces.fix).not.toBe(null))
  test('A villain can run in there at all', async () => {
    expect(await world.tryHazard('sandbox', 'control')).toMatchObject({ verdict: 'got' })
  })
  test.each(list.filter(([hazard, , only]) => !slow.has(hazard) && only === undefined))(
    '%s: %s',
    async (hazard = '') => {
      const outcome = await world.tryHazard('sandbox', hazard)
      expect(['contained', 'not-tried'], outcome.detail).toContain(outcome.verdict)
    },
  )
})
