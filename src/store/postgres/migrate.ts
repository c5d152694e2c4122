/**
 * Numbered, forward-only migrations with the numbers of the SQLite engine; the number stands in `schema_version` and is
 * written in the migration's own transaction. Who migrates holds the record's lock (lock.ts), so that two never do. A
 * record written by a newer version is refused, never guessed at.
 */
import { Failure } from '../../std/std.ts'
import { schemaName, type Link } from './link.ts'
import { ground } from './migrations/0001-ground.ts'
import { work } from './migrations/0002-work.ts'
import { access } from './migrations/0003-access.ts'
import { attempts } from './migrations/0004-attempts.ts'
import { incidents } from './migrations/0005-incidents.ts'
import { conditions } from './migrations/0006-conditions.ts'
import { modes } from './migrations/0007-modes.ts'
import { fleetNotes } from './migrations/0008-fleet-notes.ts'
import { waits } from './migrations/0009-waits.ts'

const migrations: readonly string[] = [ground, work, access, attempts, incidents, conditions, modes, fleetNotes, waits]

/** Texts are compared and ordered by their bytes, as SQLite does, whatever the database's language is. */
const byBytes = (sql: string): string => sql.replaceAll(/\bTEXT\b/g, 'TEXT COLLATE "C"')

export const migrate = async (link: Link): Promise<void> => {
  const run = (sql: string): Promise<unknown> => link.ask(sql, [], false)
  await run(
    `CREATE SCHEMA IF NOT EXISTS ${schemaName};
     CREATE TABLE IF NOT EXISTS schema_version (
       number INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
     )`,
  )
  const { rows } = await link.ask<{ version: number }>(
    'SELECT COALESCE(MAX(number), 0) AS version FROM schema_version',
    [],
    false,
  )
  const version = rows[0]!.version
  if (version > migrations.length) {
    throw new Failure(
      'record-newer',
      `this record has version ${version}, this program knows ${migrations.length}: run the newer program`,
    )
  }
  for (let number = version; number < migrations.length; number += 1) {
    await run(
      `BEGIN; ${byBytes(migrations[number]!)}
       INSERT INTO schema_version (number) VALUES (${number + 1}); COMMIT`,
    )
  }
}
