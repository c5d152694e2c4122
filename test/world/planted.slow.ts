/** What makes the worlds believable: each bug that is planted in them is found. */
import { expect, test } from 'vitest'
import { run } from './child.ts'
import { planted } from './planted.ts'

test.each(Object.keys(planted))(
  'the bug %s that is planted is found, and one line replays it',
  async (bug) => {
    const { code, said } = await run('--to', '12', '--plant', bug, '--until-found')
    expect(said).toContain('1 failed, 0 skipped')
    expect(said).toMatch(/^replay: npm run test:world -- --seed \d+ --agents 50 --hours 24$/m)
    expect(code).toBe(1)
  },
  600_000,
)
