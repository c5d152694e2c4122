/**
 * Records in SQLite for tests that want one and not its making: to make one costs 18 ms of a core, which is done once a
 * process, to open a copy of it 2 ms. It is the file that the engine itself makes. How a record comes to be is
 * sqlite.test.ts's, which makes its own.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore, type Store } from '../../src/store/store.ts'

const made = await (async (): Promise<Buffer> => {
  const directory = mkdtempSync(join(tmpdir(), 'sitter-record-'))
  const path = join(directory, 'swarm.db')
  await openSqliteStore(path).close()
  const bytes = readFileSync(path)
  rmSync(directory, { recursive: true })
  return bytes
})()

/** Opens the record at `path`; one that is not there begins as a copy. */
export const openRecord = (path: string, options?: Parameters<typeof openSqliteStore>[1]): Store => {
  if (!existsSync(path)) writeFileSync(path, made)
  return openSqliteStore(path, options)
}
