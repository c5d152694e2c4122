/** The SQLite engine: the conformance suite, and what only a file can show. */
import { copyFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { verifyRecordFile } from '../../src/record/record.ts'
import { openSqliteStore, type Command } from '../../src/store/store.ts'
import { ground } from '../../src/store/sqlite/migrations/0001-ground.ts'
import { work } from '../../src/store/sqlite/migrations/0002-work.ts'
import { access } from '../../src/store/sqlite/migrations/0003-access.ts'
import { claim, owner, submit, succeed, task } from '../conformance/samples.ts'
import { storeSuite } from '../conformance/store.ts'
import { openRecord } from './record.ts'
import { judgeVersion3, rowsOfVersion3 } from './version-3.ts'

const place = (): string => join(mkdtempSync(join(tmpdir(), 'sitter-store-')), 'swarm.db')

for (const [name, quickMs] of [
  ['sqlite, flushed beside the loop', 0],
  ['sqlite, flushed at once', Infinity],
] as const) {
  storeSuite({
    name,
    runs: 100,
    open: async () => {
      const path = place()
      return { store: openRecord(path, { quickMs }), reopen: async () => openSqliteStore(path, { quickMs }) }
    },
  })
}

const audit = (action: string): Command => ({
  kind: 'audit.append',
  with: { wallMs: 1, entries: [{ actor: 'sitter', action, object: 'x', decision: 'done', facts: {} }] },
})

const tampered = async (
  change: (database: DatabaseSync) => void,
): Promise<Awaited<ReturnType<typeof verifyRecordFile>>> => {
  const path = place()
  const store = openSqliteStore(path)
  for (let number = 1; number <= 9; number += 1) await store.transact([audit(`entry ${number}`)])
  await store.close()
  const copy = `${path}.copy`
  copyFileSync(path, copy)
  const database = new DatabaseSync(copy)
  database.exec('DROP TRIGGER audit_keep; DROP TRIGGER audit_stay')
  change(database)
  database.close()
  return verifyRecordFile(copy)
}

test('what waits while another program holds the lock is refused together, not one after the other', async () => {
  const path = place()
  const store = openSqliteStore(path)
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const fromMs = performance.now()
  const all = await Promise.allSettled([1, 2, 3, 4].map((number) => store.transact([audit(`entry ${number}`)])))
  const tookMs = performance.now() - fromMs
  other.exec('ROLLBACK')
  other.close()
  expect(all.map((one) => one.status === 'rejected' && (one.reason as Error).message)).toEqual(
    Array.from({ length: 4 }, () => 'database is locked'),
  )
  // SQLite itself waits for 5 s, and the loop with it.
  expect(tookMs).toBeLessThan(15_000)
  await store.transact([audit('entry 5')])
  await store.close()
  expect(await verifyRecordFile(path)).toMatchObject({ ok: true, entries: 1 })
})

test('an untouched copy of the record is verified whole', async () => {
  expect(
    await tampered(() => {
      /* nothing */
    }),
  ).toMatchObject({ ok: true, entries: 9, firstBad: null })
})

test('one changed byte in an audit entry is found and its number named', async () => {
  const verdict = await tampered((database) =>
    database.exec("UPDATE audit SET entry = replace(entry, 'entry 5', 'entry 6') WHERE seq = 5"),
  )
  expect(verdict).toMatchObject({ ok: false, firstBad: 5 })
})

test('a changed entry with a recomputed hash is found at the next entry', async () => {
  const verdict = await tampered((database) =>
    database.exec("UPDATE audit SET entry = replace(entry, 'entry 5', 'entry x'), hash = 'f00d' WHERE seq = 5"),
  )
  expect(verdict.firstBad).toBe(5)
})

test('a deleted, an inserted and a reordered entry are each found at the first place that is wrong', async () => {
  expect((await tampered((database) => database.exec('DELETE FROM audit WHERE seq = 4'))).firstBad).toBe(4)
  expect(
    (
      await tampered((database) =>
        database.exec('INSERT INTO audit SELECT 0, entry, prev, hash FROM audit WHERE seq = 1'),
      )
    ).ok,
  ).toBe(false)
  expect(
    (
      await tampered((database) =>
        database.exec(
          'UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 100',
        ),
      )
    ).firstBad,
  ).toBe(3)
})

test('audit entries and ledger transfers refuse to be changed or deleted by SQL', async () => {
  const path = place()
  const store = openSqliteStore(path)
  await store.transact([audit('kept')])
  await store.close()
  const database = new DatabaseSync(path)
  expect(() => database.exec("UPDATE audit SET entry = '{}'")).toThrow('append-only')
  expect(() => database.exec('DELETE FROM audit')).toThrow('append-only')
  database.close()
})

test('a record of a newer version is refused with both numbers', () => {
  const path = place()
  const database = new DatabaseSync(path)
  database.exec('PRAGMA user_version = 99')
  database.close()
  expect(() => openSqliteStore(path)).toThrow(/version 99.*knows [0-9]/)
})

test('a statement that throws harms its own list only', async () => {
  const store = openSqliteStore(place())
  const broken: Command = {
    kind: 'ledger.transfer',
    with: {
      wallMs: 1,
      transfer: {
        id: 'x',
        kind: 'single',
        pendingId: null,
        debit: 'same',
        credit: 'same',
        amountMinor: 1n,
        currency: 'XTS',
        settlement: null,
      },
    },
  }
  const [good, bad, better] = await Promise.allSettled([
    store.transact([audit('a')]),
    store.transact([audit('lost'), broken]),
    store.transact([audit('b')]),
  ])
  expect([good.status, bad.status, better.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect((await store.read.audit(1, 9)).map((row) => (JSON.parse(row.entry) as { action: string }).action)).toEqual([
    'a',
    'b',
  ])
  await store.close()
})

test('a record of version 3 comes over whole: attempts, lives, dead letters and counts', async () => {
  const path = place()
  const database = new DatabaseSync(path)
  database.exec(`${ground}${work}${access}${rowsOfVersion3} PRAGMA user_version = 3`)
  database.close()
  const store = openSqliteStore(path)
  await judgeVersion3(store)
  await store.close()
})

test('the end of an older attempt that was never ended is stale, and the newest runs on', async () => {
  const path = place()
  const store = openSqliteStore(path)
  const opening: Command = { kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 1 } }
  await store.transact([opening])
  await store.transact([submit([task('a')])])
  await store.transact([claim([1])])
  await store.close()
  const database = new DatabaseSync(path)
  // As an earlier version may have left it.
  database.exec(`
    INSERT INTO past_attempts (task_seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms)
      SELECT seq, fence, life, number, agent, agent_epoch, cell, owner, epoch, started_ms FROM tasks;
    UPDATE tasks SET fence = 2, number = 2;
  `)
  database.close()
  const again = openSqliteStore(path)
  const [late] = await again.transact([succeed('a', 1)])
  expect(late).toMatchObject({ ok: true, value: [{ outcome: 'stale' }] })
  expect(await again.read.attempt('att_a.2')).toMatchObject({ outcome: null, endedMs: null })
  expect(await again.read.task('tsk_a')).toMatchObject({ state: { state: 'running' } })
  expect((await again.transact([succeed('a', 2)]))[0]).toMatchObject({ ok: true, value: [{ outcome: 'done' }] })
  await again.close()
})
