/** Bounds of the record: what waits for one commit. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/store.ts'

test('50,000 writes may wait for the record; the next is told overloaded with a time, and the others are done', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sitter-queue-'))
  const store = openSqliteStore(join(directory, 'swarm.db'))
  const write = () => store.transact([{ kind: 'events.add', with: { wallMs: 1, events: [] } }])
  const waiting = Promise.all(Array.from({ length: 50_000 }, write))
  await expect(write()).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1_000 })
  expect(await waiting).toHaveLength(50_000)
  await write()
  await store.close()
  rmSync(directory, { recursive: true })
})
