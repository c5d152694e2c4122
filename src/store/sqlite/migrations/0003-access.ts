/**
 * Migration 3. Tokens are kept as hashes; a request row without status has begun and was not answered; configuration
 * versions are append-only.
 */
export const access = `
CREATE TABLE tokens (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
  actor TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER, used_ms INTEGER, revoked_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX tokens_living ON tokens (name) WHERE revoked_ms IS NULL;

CREATE TABLE requests_begun (
  key TEXT PRIMARY KEY, request_hash TEXT NOT NULL, until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE config_versions (
  version INTEGER PRIMARY KEY, hash TEXT NOT NULL, file TEXT NOT NULL, base_directory TEXT NOT NULL, raw TEXT NOT NULL,
  changes TEXT NOT NULL, actor TEXT NOT NULL, wall_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER config_versions_keep BEFORE UPDATE ON config_versions BEGIN SELECT RAISE(ABORT,
'config versions are append-only'); END;
CREATE TRIGGER config_versions_stay BEFORE DELETE ON config_versions BEGIN SELECT RAISE(ABORT,
'config versions are append-only'); END;
`
