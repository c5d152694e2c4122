/**
 * The seeded worlds. The long run of 200 seeds is a step of the whole check (`.ci/run`); here are two of them, and that a
 * seed is always the same world. What makes the others believable, the planted bugs, is among the long tests.
 */
import { expect, test } from 'vitest'
import { run } from './child.ts'

const patienceMs = 600_000

const hashOf = (said: string): string => /"hash":"([0-9a-f]{16})"/.exec(said)![1]!

test(
  'whatever goes wrong, no promise is broken, no healthy agent is killed, and every quarantine has its probe',
  async () => {
    const { code, said } = await run('--seed', '1001', '--to', '1002', '--agents', '50', '--hours', '24')
    expect(said).toContain('2 passed, 0 failed, 0 skipped')
    expect(code).toBe(0)
  },
  patienceMs,
)

/**
 * Each was broken once. 696, 892: of a hold that two had asked for the start of one cell for, the one who had nothing to
 * start was called alone, and the hold waited for that cell for ever. 759: of a quarantined group whose agent a person
 * restarted, the others stayed where they were.
 */
test.each(['696', '759', '892'])(
  'seed %s, which was broken once, holds',
  async (seed) => {
    const { said } = await run('--seed', seed, '--agents', '50', '--hours', '24')
    expect(said).toContain('1 passed, 0 failed, 0 skipped')
  },
  patienceMs,
)

test(
  'the same seed is the same world, to its last commit; another is another',
  async () => {
    const worlds = await Promise.all(['7', '7', '8'].map((seed) => run('--seed', seed, '--hours', '8')))
    const [one, again, other] = worlds.map(({ said }) => hashOf(said))
    expect(again).toBe(one)
    expect(other).not.toBe(one)
  },
  patienceMs,
)

test('a number that is none is refused', async () => {
  const { code, said } = await run('--seed', 'x')
  expect([code, said]).toEqual([2, expect.stringContaining('whole numbers')])
})
