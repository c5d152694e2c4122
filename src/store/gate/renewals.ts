/**
 * What renews itself, inside gate.db: new versions, states of versions, the saved machines that renew them, and what
 * happened, all in one commit, so that a killed gate finds one consistent state.
 */
import type { DatabaseSync } from 'node:sqlite'
import { mostNotes, type BoundRow, type MachineRow, type NoteRow, type Renewal } from './rows.ts'
import type { Turn } from './turn.ts'

export interface Renewals {
  machines(): readonly MachineRow[]
  /** Durable when it resolves, all of it or nothing. */
  renew(change: Renewal): Promise<void>
  /** What happened and was not taken yet, oldest first, after the number `after`; those up to it are forgotten. */
  notes(after: number): Promise<readonly NoteRow[]>
  /** The credential of the last call for a subject whose effect nobody knows; undefined when there is none. */
  openCredential(subject: string): string | undefined
  /** The same for an agent's call by its key, calls that are under way included. */
  openCredentialByKey(key: string): string | undefined
  /** Calls of a key that may have had their effect, by the account of each, for ever. */
  boundBy(key: string): readonly BoundRow[]
}

const notesAtOnce = 500

export const renewalsOf = (db: DatabaseSync, turn: Turn): Renewals => {
  const put = db.prepare(`INSERT INTO secrets (name, version, state, sealed, fingerprint, set_ms, used_ms, actor)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
  const move = db.prepare('UPDATE secrets SET state = ? WHERE name = ? AND version = ?')
  const drop = db.prepare('DELETE FROM secrets WHERE name = ? AND version < ?')
  const keep = db.prepare(`INSERT INTO renewals (kind, name, state) VALUES (?, ?, ?)
    ON CONFLICT (kind, name) DO UPDATE SET state = excluded.state`)
  const note = db.prepare('INSERT INTO notes (wall_ms, kind, subject, message) VALUES (?, ?, ?, ?)')
  const prune = db.prepare('DELETE FROM notes WHERE number <= (SELECT MAX(number) FROM notes) - ?')
  const forget = db.prepare('DELETE FROM notes WHERE number <= ?')
  const open = db.prepare(`SELECT credential FROM calls
    WHERE subject = ? AND subject IS NOT NULL AND (ended = 'lost' OR status >= 500) ORDER BY journal DESC LIMIT 1`)
  const openKey = db.prepare(`SELECT credential FROM calls
    WHERE key = ? AND key IS NOT NULL AND credential IS NOT NULL ORDER BY journal DESC LIMIT 1`)
  const bound = db.prepare('SELECT DISTINCT account, credential FROM calls WHERE bound = ?')
  return {
    boundBy: (key) => bound.all(key) as unknown as BoundRow[],
    machines: () => db.prepare('SELECT kind, name, state FROM renewals').all() as unknown as MachineRow[],
    renew: ({ add, moves, drops, machines, notes }) =>
      turn.write(() => {
        for (const row of add)
          put.run(row.name, row.version, row.state, row.sealed, row.fingerprint, row.setMs, row.usedMs, row.actor)
        for (const { name, version, state } of moves) move.run(state, name, version)
        for (const { name, below } of drops) drop.run(name, below)
        for (const { kind, name, state } of machines) keep.run(kind, name, state)
        for (const { wallMs, kind, subject, message } of notes) note.run(wallMs, kind, subject, message)
        if (notes.length > 0) prune.run(mostNotes)
      }),
    notes: async (after) => {
      if (after > 0) await turn.write(() => forget.run(after))
      return db
        .prepare(`SELECT number, wall_ms AS wallMs, kind, subject, message FROM notes
          WHERE number > ? ORDER BY number LIMIT ?`)
        .all(after, notesAtOnce) as unknown as NoteRow[]
    },
    openCredentialByKey: (key) =>
      (openKey.get(key) as { credential: string | null } | undefined)?.credential ?? undefined,
    openCredential: (subject) => {
      const row = open.get(subject) as { credential: string | null } | undefined
      return row?.credential ?? undefined
    },
  }
}
