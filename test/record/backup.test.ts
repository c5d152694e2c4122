/** A backup is taken while others write: whole, sound, private, and never half there. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { backup, verifyRecordFile } from '../../src/record/record.ts'
import { realDisk } from '../../src/std/real/real.ts'
import { openGateBook, openSqliteStore, type Store } from '../../src/store/store.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const swarm = async (): Promise<{ data: string; store: Store; elsewhere: string }> => {
  const root = await mkdtemp(join(tmpdir(), 'sitter-backup-'))
  const data = join(root, '.sitter')
  for (const folder of ['gate', 'run', 'config']) await mkdir(join(data, folder), { recursive: true })
  await writeFile(join(data, 'run', 'operator.token'), 'canary-operator-token')
  await writeFile(join(data, 'config', 'applied.json'), '{"name":"x"}')
  void openGateBook(join(data, 'gate', 'gate.db'), () => 'gat_1').close()
  const store = openSqliteStore(join(data, 'swarm.db'))
  cleanups.push(
    () => rm(root, { recursive: true }),
    () => store.close(),
  )
  return { data, store, elsewhere: join(root, 'backup') }
}
const write = (store: Store, from: number, count: number): Promise<unknown> =>
  store.transact([
    {
      kind: 'audit.append',
      with: {
        wallMs: 1,
        entries: Array.from({ length: count }, (_, index) => ({
          actor: 'sitter',
          action: 'test.done',
          object: `o${from + index}`,
          decision: 'done' as const,
          facts: {},
        })),
      },
    },
  ])
const ask = { disk: realDisk(), version: '0.0.0', atMs: 5 }

test('a copy that is taken while the record is written holds one moment of it, and no secret of the door', async () => {
  const { data, store, elsewhere } = await swarm()
  await write(store, 0, 2_000)
  let written = 2_000
  let going = true
  const writing = (async () => {
    while (going) {
      await write(store, written, 50)
      written += 50
    }
  })()
  const made = await backup({ ...ask, data, target: elsewhere })
  going = false
  await writing
  expect(made.audit).toMatchObject({ ok: true })
  expect(made.audit.entries).toBeGreaterThanOrEqual(2_000)
  expect(made.audit.entries).toBeLessThanOrEqual(written)
  expect(await verifyRecordFile(join(elsewhere, 'swarm.db'))).toEqual(made.audit)
  expect((await readdir(elsewhere)).toSorted()).toEqual(['config', 'gate', 'manifest.json', 'swarm.db'])
  expect((await stat(elsewhere)).mode & 0o777).toBe(0o700)
  for (const file of ['swarm.db', 'gate/gate.db', 'manifest.json', 'config/applied.json'])
    expect((await stat(join(elsewhere, file))).mode & 0o777).toBe(0o600)
  for (const file of await readdir(elsewhere, { recursive: true, withFileTypes: true }))
    if (file.isFile())
      expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain('canary-operator-token')
  expect(JSON.parse(await readFile(join(elsewhere, 'manifest.json'), 'utf8'))).toMatchObject({
    files: [{ path: 'swarm.db' }, { path: 'gate/gate.db' }],
    audit: { ok: true },
  })
  // What was copied can be opened and written as a record of its own.
  const copy = openSqliteStore(join(elsewhere, 'swarm.db'))
  await write(copy, 0, 1)
  await copy.close()
})

test('a folder that is there is left alone, and one that could not be made whole is not there at all', async () => {
  const { data, store, elsewhere } = await swarm()
  await write(store, 0, 10)
  await mkdir(elsewhere)
  await expect(backup({ ...ask, data, target: elsewhere })).rejects.toMatchObject({ code: 'conflict' })
  expect(await readdir(elsewhere)).toEqual([])
  await rm(elsewhere, { recursive: true })
  await writeFile(join(data, 'gate', 'gate.db'), 'this is no database at all, but long enough to be read as one')
  await expect(backup({ ...ask, data, target: elsewhere })).rejects.toThrow()
  expect(await readdir(join(data, '..'))).toEqual(['.sitter'])
  await expect(backup({ ...ask, data: join(data, 'cells'), target: elsewhere })).rejects.toMatchObject({
    code: 'not-found',
  })
})

test('a record whose audit chain is broken is not called a backup', async () => {
  const { data, store, elsewhere } = await swarm()
  await write(store, 0, 10)
  const { DatabaseSync } = await import('node:sqlite')
  const other = new DatabaseSync(join(data, 'swarm.db'))
  for (const { name } of other.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all())
    other.exec(`DROP TRIGGER ${String(name)}`)
  other.exec("UPDATE audit SET entry = replace(entry, 'o5', 'o6') WHERE seq = 6")
  other.close()
  await expect(backup({ ...ask, data, target: elsewhere })).rejects.toMatchObject({ code: 'audit-broken' })
  expect(await readdir(join(data, '..'))).toEqual(['.sitter'])
})
