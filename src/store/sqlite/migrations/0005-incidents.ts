/**
 * Migration 5. A host says when it last worked. An incident is one time that a condition held; at most one of a key is
 * open. Notices are what is to be sent about it, each to one target.
 */
export const incidents = `
ALTER TABLE hosts ADD COLUMN beat_ms INTEGER;

CREATE TABLE incidents (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, severity TEXT NOT NULL,
  title TEXT NOT NULL, facts TEXT NOT NULL, proposed TEXT NOT NULL, opened_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL, acked_by TEXT, acked_ms INTEGER, resolved_by TEXT, resolved_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX incidents_open ON incidents (key) WHERE resolved_ms IS NULL;

CREATE TABLE notices (
  seq INTEGER PRIMARY KEY,
  incident TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL,
  made_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due_ms INTEGER, ended TEXT, ended_ms INTEGER, error TEXT
) STRICT;
CREATE INDEX notices_of ON notices (incident);
CREATE INDEX notices_due ON notices (due_ms) WHERE due_ms IS NOT NULL;

CREATE TABLE silences (
  prefix TEXT PRIMARY KEY, until_ms INTEGER NOT NULL, by_whom TEXT NOT NULL, set_ms INTEGER NOT NULL
) STRICT;
`
