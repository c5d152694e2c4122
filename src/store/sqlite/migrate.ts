/**
 * Numbered, forward-only migrations; the number is PRAGMA user_version and is written in the migration's own
 * transaction. A record written by a newer version is refused, never guessed at.
 */
import type { DatabaseSync } from 'node:sqlite'
import { Failure } from '../../std/std.ts'
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

export const migrate = (database: DatabaseSync): void => {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > migrations.length) {
    throw new Failure(
      'record-newer',
      `this record has version ${version}, this program knows ${migrations.length}: run the newer program`,
    )
  }
  for (let number = version; number < migrations.length; number += 1) {
    database.exec(`BEGIN IMMEDIATE; ${migrations[number]} PRAGMA user_version = ${number + 1}; COMMIT`)
  }
}
