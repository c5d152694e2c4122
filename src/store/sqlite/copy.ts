/**
 * Reads a copy of the record, read-only: no migration, no lock, no writer. It may be the record itself, beside its
 * sitter: what was read is flushed before it is told.
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Failure } from '../../std/std.ts'
import type { Queries } from '../queries.ts'
import { flushLog } from './flush.ts'
import { openReads } from './reads.ts'
import { openSession } from './session.ts'

export interface RecordCopy {
  readonly read: Pick<Queries, 'audit' | 'auditHead'>
  close(): void
}

/** @throws Failure `not-found` when there is no such file, `invalid` when it is no record. */
export const openRecordCopy = (path: string): RecordCopy => {
  if (!existsSync(path)) throw new Failure('not-found', `there is no file ${path}`)
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return { read: openReads(openSession(database), async () => flushLog(path)), close: () => database.close() }
  } catch (error) {
    database.close()
    throw new Failure('invalid', `${path} is no record: ${(error as Error).message}`, { cause: error })
  }
}
