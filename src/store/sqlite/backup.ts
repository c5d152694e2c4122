/**
 * A consistent copy of a database while others write it: one read transaction, which blocks no writer. The copy is
 * checked, flushed, and readable by its owner alone.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, open, stat } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { Failure } from '../../std/std.ts'
import { flushLog } from './flush.ts'

export interface CopiedFile {
  readonly bytes: number
  /** SHA-256 hex of the copy. */
  readonly sha256: string
}

const sha256Of = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

const flush = async (path: string): Promise<void> => {
  const handle = await open(path, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const check = (path: string): void => {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const [found] = database.prepare('PRAGMA quick_check(1)').all()
    if (found?.['quick_check'] !== 'ok')
      throw new Failure('bug', `the copy ${path} is not sound: ${String(found?.['quick_check'])}`)
  } finally {
    database.close()
  }
}

/** `to` must not be there yet. @throws what SQLite throws when `from` cannot be read or the disk is full. */
export const copyDatabase = async (from: string, to: string): Promise<CopiedFile> => {
  const database = new DatabaseSync(from, { readOnly: true })
  try {
    database.exec('PRAGMA busy_timeout = 5000')
    database.prepare('VACUUM INTO ?').run(to)
  } finally {
    database.close()
  }
  // The copy may hold the commits of the last moment: nothing is in it that a power cut takes back.
  flushLog(from)
  await chmod(to, 0o600)
  check(to)
  await flush(to)
  return { bytes: (await stat(to)).size, sha256: await sha256Of(to) }
}
