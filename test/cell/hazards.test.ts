/**
 * The short form of `npm run hazards`: each attempt that does not take seconds, in a sandbox. That the attempts are real
 * is shown where nothing holds them. All of them: hazards.slow.ts.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { openAttacked } from '../hazards/kinds.ts'
import { list, untilSilence } from '../hazards/list.ts'

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

const here = machine.bwrap === null ? `not tried: ${machine.abilities.namespaces.says}` : 'each is contained'
describe(`In a sandbox, ${here}`, () => {
  if (machine.bwrap === null)
    return test('It says what to do about it', () => expect(machine.abilities.namespaces.fix).not.toBe(null))
  test('A villain can run in there at all', async () => {
    expect(await world.tryHazard('sandbox', 'control')).toMatchObject({ verdict: 'got' })
  })
  test.for(list.filter(([hazard, , only]) => !untilSilence.has(hazard) && only === undefined))(
    '%s: %s',
    async ([hazard], { skip }) => {
      const { verdict, detail } = await world.tryHazard('sandbox', hazard)
      // What was not tried is not passed.
      skip(verdict === 'not-tried', detail)
      expect(verdict, detail).toBe('contained')
    },
  )
})
