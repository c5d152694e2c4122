/** Copies of a record whose entries about uses of secrets were edited, removed, swapped or added by SQL, and what `audit verify` says of each. */
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Swarm } from '../live/swarm.ts'

/** `at` and `at + 1` are two uses; what is done, and the entry that has to be named. */
const changes = (at: number): readonly (readonly [what: string, sql: string, firstBad: number])[] => [
  ['nothing', 'SELECT 1', 0],
  ['another agent in it', `UPDATE audit SET entry = replace(entry, '"agent:', '"agenT:') WHERE seq = ${at}`, at],
  ['another version in it', `UPDATE audit SET entry = replace(entry, '@1"', '@2"') WHERE seq = ${at}`, at],
  ['removed', `DELETE FROM audit WHERE seq = ${at}`, at],
  [
    'swapped with the next',
    `UPDATE audit SET seq = -1 WHERE seq = ${at}; UPDATE audit SET seq = ${at} WHERE seq = ${at + 1};
     UPDATE audit SET seq = ${at + 1} WHERE seq = -1`,
    at,
  ],
  [
    'one inserted before it',
    `UPDATE audit SET seq = -seq WHERE seq >= ${at}; UPDATE audit SET seq = 1 - seq WHERE seq < 0;
     INSERT INTO audit SELECT ${at}, entry, prev, hash FROM audit WHERE seq = ${at + 1}`,
    at + 1,
  ],
]

/** What went wrong, each in a sentence. The swarm may go on: only a copy is changed. */
export const tamperWithUses = async (swarm: Swarm): Promise<readonly string[]> => {
  const whole = join(swarm.directory, 'whole.db')
  const record = new DatabaseSync(join(swarm.data, 'swarm.db'), { readOnly: true })
  record.exec(`VACUUM INTO '${whole}'`)
  const found = record
    .prepare("SELECT seq FROM audit WHERE entry LIKE '%credential.use%\"agent:%' ORDER BY seq LIMIT 1 OFFSET 20")
    .get() as { seq: number }
  record.close()
  const wrong: string[] = []
  for (const [what, sql, firstBad] of changes(found.seq)) {
    const copy = join(swarm.directory, 'copy.db')
    copyFileSync(whole, copy)
    const database = new DatabaseSync(copy)
    database.exec(`DROP TRIGGER audit_keep; DROP TRIGGER audit_stay; ${sql}`)
    database.close()
    const { code, out } = await swarm.run('audit', 'verify', '--record', copy, '--json')
    const said = JSON.parse(out) as { firstBad: number | null }
    const isNamed = firstBad === 0 ? code === 0 : code === 1 && said.firstBad === firstBad
    if (!isNamed) wrong.push(`entry ${found.seq} ${what}: exit ${code}, ${out.trim()}`)
    rmSync(copy)
  }
  return wrong
}
