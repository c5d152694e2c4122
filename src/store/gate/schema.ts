/**
 * Tables of gate.db, in numbered steps that only go forward. The journal is append-only but for how a call ended, its
 * outcome, whether the sitter acknowledged it, the key by which it is known while that is open, and whether that key is
 * bound to its account. A grant's id is unique for ever: that is what "spent once" rests on.
 */
import type { DatabaseSync } from 'node:sqlite'
import { failure } from '../../std/std.ts'

const steps: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE calls (
    journal INTEGER PRIMARY KEY AUTOINCREMENT,
    grant_id TEXT UNIQUE,
    subject TEXT, agent TEXT, cell TEXT,
    upstream TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, hash TEXT,
    credential TEXT, version INTEGER,
    epoch INTEGER NOT NULL,
    begun_ms REAL NOT NULL, waited_ms REAL NOT NULL,
    ended TEXT CHECK (ended IN ('answered', 'not-sent', 'lost')),
    status INTEGER, outcome TEXT, sent_ms REAL, took_ms REAL, cost TEXT,
    acked INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX calls_open ON calls (journal) WHERE ended IS NULL;
  CREATE INDEX calls_untold ON calls (journal) WHERE grant_id IS NOT NULL AND acked = 0;
  CREATE TABLE limits (
    name TEXT PRIMARY KEY, ahead_ms REAL NOT NULL, pause_ms REAL NOT NULL, strikes INTEGER NOT NULL,
    wall_ms REAL NOT NULL, mono_ms REAL NOT NULL, boot_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE secrets (
    name TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, sealed BLOB NOT NULL, fingerprint TEXT NOT NULL,
    set_ms REAL NOT NULL, used_ms REAL, actor TEXT NOT NULL,
    PRIMARY KEY (name, version)
  ) STRICT, WITHOUT ROWID;
  `,
  // Whoever changes a sealed row, by whatever statement, is counted: a head that was not sealed after it shows.
  // A use of a secret names the host that it was for, and is told to the audit log by its number.
  `
  CREATE TABLE vault_head (one INTEGER PRIMARY KEY CHECK (one = 1), changes INTEGER NOT NULL,
    sealed INTEGER NOT NULL, head TEXT NOT NULL) STRICT;
  INSERT INTO vault_head VALUES (1, 0, 0, '');
  CREATE TRIGGER secrets_added AFTER INSERT ON secrets
    BEGIN UPDATE vault_head SET changes = changes + 1; END;
  CREATE TRIGGER secrets_removed AFTER DELETE ON secrets
    BEGIN UPDATE vault_head SET changes = changes + 1; END;
  CREATE TRIGGER secrets_changed
    AFTER UPDATE OF name, version, state, sealed, fingerprint, set_ms, actor ON secrets
    BEGIN UPDATE vault_head SET changes = changes + 1; END;
  ALTER TABLE calls ADD COLUMN host TEXT;
  ALTER TABLE calls ADD COLUMN decision TEXT CHECK (decision IN ('allowed', 'refused'));
  CREATE INDEX calls_uses ON calls (journal) WHERE decision IS NOT NULL;
  `,
  `
  CREATE TABLE renewals (
    kind TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE notes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms REAL NOT NULL,
    kind TEXT NOT NULL, subject TEXT NOT NULL, message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX calls_in_doubt ON calls (subject, journal)
    WHERE subject IS NOT NULL AND (ended = 'lost' OR status >= 500);
    `,
  `
  CREATE TABLE modes (target TEXT PRIMARY KEY, mode TEXT NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE shadowed (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms REAL NOT NULL, agent TEXT, upstream TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    body_bytes INTEGER, target TEXT NOT NULL
  ) STRICT;
  `,
  // Where a renewal stands decides which key is made or ended next: it is under the head like the secrets.
  `
  CREATE TRIGGER renewals_added AFTER INSERT ON renewals
    BEGIN UPDATE vault_head SET changes = changes + 1; END;
  CREATE TRIGGER renewals_removed AFTER DELETE ON renewals
    BEGIN UPDATE vault_head SET changes = changes + 1; END;
  CREATE TRIGGER renewals_changed AFTER UPDATE ON renewals
    BEGIN UPDATE vault_head SET changes = changes + 1; END;
  `,
  // Amounts are trillionths, of which sums do not fit into 64 bits: text, or whole units and the rest apart, which SQL
  // can add up. Nobody's calls have the agent ''.
  `
  ALTER TABLE calls ADD COLUMN reserved TEXT;
  CREATE TABLE budgets (
    budget TEXT NOT NULL, owner TEXT NOT NULL, window_ms REAL NOT NULL, spent TEXT NOT NULL,
    PRIMARY KEY (budget, owner)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE costs (
    span TEXT NOT NULL CHECK (span IN ('hour', 'day', 'all')), at_ms REAL NOT NULL,
    agent TEXT NOT NULL, upstream TEXT NOT NULL, currency TEXT NOT NULL,
    known_units INTEGER NOT NULL, known_pico INTEGER NOT NULL,
    counted_units INTEGER NOT NULL, counted_pico INTEGER NOT NULL,
    calls INTEGER NOT NULL, unknown INTEGER NOT NULL,
    PRIMARY KEY (span, at_ms, agent, upstream, currency)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX calls_cost ON calls (agent, begun_ms) WHERE cost IS NOT NULL AND agent IS NOT NULL;
  `,
  // What an agent's call is known by, while what became of it is open: the next one of the same goes out with the same
  // credential. It is taken away when a call of the same got its answer, so that the index stays small.
  `
  ALTER TABLE calls ADD COLUMN key TEXT;
  CREATE INDEX calls_keys ON calls (key, journal) WHERE key IS NOT NULL;
  `,
  // The account at the provider by which a call with a key may have had its effect. It stays for ever: the same key
  // never goes by another account. Taken away only by the proof that nothing happened: not sent, or answered 401.
  `
  ALTER TABLE calls ADD COLUMN account TEXT;
  ALTER TABLE calls ADD COLUMN bound TEXT;
  CREATE INDEX calls_bound ON calls (bound, journal) WHERE bound IS NOT NULL;
  `,
]

/** Brings gate.db to this version's tables. @throws Failure `record-newer` when a newer version wrote it. */
export const migrate = (db: DatabaseSync): void => {
  const { user_version: at } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (at > steps.length) {
    throw failure('record-newer', `gate.db has step ${at}, this version knows ${steps.length}: start the newer version`)
  }
  for (const [index, step] of steps.entries()) {
    if (index < at) continue
    db.exec(`BEGIN IMMEDIATE; ${step} PRAGMA user_version = ${index + 1}; COMMIT`)
  }
}
