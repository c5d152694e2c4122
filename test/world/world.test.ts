/**
 * The seeded worlds, each run in a process of its own: a world takes over the loop of its process. The long run of 200
 * seeds is a step of the whole check (`.ci/run`); here are a few of them, and what makes the others believable.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { planted } from './planted.ts'

const patienceMs = 600_000

const run = (...args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> =>
  new Promise((resolve, reject) => {
    const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning']
    const child = spawn(process.execPath, [...flags, join(import.meta.dirname, 'run.ts'), ...args])
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, said }))
  })

const hashOf = (said: string): string => /"hash":"([0-9a-f]{16})"/.exec(said)![1]!

test(
  'whatever goes wrong, no promise is broken, no healthy agent is killed, and every quarantine has its probe',
  async () => {
    const { code, said } = await run('--seed', '1001', '--to', '1006', '--agents', '50', '--hours', '24')
    expect(said).toContain('6 passed, 0 failed, 0 skipped')
    expect(code).toBe(0)
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

describe('a bug that is planted is found, and one line replays it', () => {
  test.each(Object.keys(planted))(
    '%s',
    async (bug) => {
      const { code, said } = await run('--to', '12', '--plant', bug, '--until-found')
      expect(said).toContain('1 failed, 0 skipped')
      expect(said).toMatch(/^replay: npm run test:world -- --seed \d+ --agents 50 --hours 24$/m)
      expect(code).toBe(1)
    },
    patienceMs,
  )
})

test('a number that is none is refused', async () => {
  const { code, said } = await run('--seed', 'x')
  expect([code, said]).toEqual([2, expect.stringContaining('whole numbers')])
})
