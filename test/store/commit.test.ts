/**
 * What happens when COMMIT itself fails: nobody is told "failed", nothing acknowledged is missing, and a new life reads
 * on.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { verifyAudit } from '../../src/record/record.ts'
import { openSqliteStore } from '../../src/store/store.ts'

interface Told {
  readonly acknowledged: number
  readonly code: string
  readonly lost: boolean
  readonly after: string
}

const runUntilFull = (path: string): Told => {
  const program = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'failing-disk.ts'),
    path,
  ]
  // 600 kB a file: the write-ahead log reaches it after some dozen commits.
  return JSON.parse(execFileSync('prlimit', ['--fsize=600000', ...program], { encoding: 'utf8' })) as Told
}

test('a COMMIT that fails is unknown, the engine is dead, and every acknowledged entry is there in the next life', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'sitter-commit-')), 'swarm.db')
  const told = runUntilFull(path)
  expect(told).toMatchObject({ code: 'record-unknown', lost: true, after: 'record-unknown' })
  expect(told.acknowledged).toBeGreaterThan(5)
  const store = openSqliteStore(path)
  const { seq } = await store.read.auditHead()
  expect(seq).toBeGreaterThanOrEqual(told.acknowledged)
  expect(seq).toBeLessThanOrEqual(told.acknowledged + 1)
  expect(await verifyAudit(store.read)).toMatchObject({ ok: true })
  await store.close()
})
