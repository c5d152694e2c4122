/**
 * Migration 2: dependencies between tasks, payload versions, dead letters as rows of their own, shared state and locks.
 * Tasks that are dead already get their dead letter. The order of starts goes by task type too, hence the new index.
 */
export const work = `
ALTER TABLE tasks ADD COLUMN not_before_ms INTEGER;
ALTER TABLE tasks ADD COLUMN span_ms INTEGER;
ALTER TABLE tasks ADD COLUMN after TEXT;
ALTER TABLE tasks ADD COLUMN on_failed TEXT NOT NULL DEFAULT 'cancel';
ALTER TABLE tasks ADD COLUMN awaited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tasks ADD COLUMN life INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tasks ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
UPDATE tasks SET span_ms = deadline_ms - created_ms WHERE deadline_ms IS NOT NULL;
ALTER TABLE attempts ADD COLUMN life INTEGER NOT NULL DEFAULT 1;
DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (agent_type, type, priority DESC, seq) WHERE state = 'ready';
CREATE INDEX tasks_deadline ON tasks (deadline_ms)
  WHERE deadline_ms IS NOT NULL AND state IN ('blocked', 'ready', 'waiting');

CREATE TABLE dependencies (
  task TEXT NOT NULL, after TEXT NOT NULL, place INTEGER NOT NULL, ended TEXT, PRIMARY KEY (task, after)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_after ON dependencies (after);

CREATE TABLE payloads (
  task TEXT NOT NULL, version INTEGER NOT NULL, payload TEXT NOT NULL, actor TEXT NOT NULL,
  replaced_ms INTEGER NOT NULL, PRIMARY KEY (task, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
  seq INTEGER PRIMARY KEY, task TEXT NOT NULL, type TEXT NOT NULL, life INTEGER NOT NULL, reason TEXT NOT NULL,
  outcome TEXT, error TEXT, error_text TEXT NOT NULL, attempts INTEGER NOT NULL, version INTEGER NOT NULL,
  died_ms INTEGER NOT NULL, closed TEXT, closed_ms INTEGER, actor TEXT, UNIQUE (task, life)
) STRICT;
CREATE INDEX dead_letters_open ON dead_letters (seq) WHERE closed IS NULL;
INSERT INTO dead_letters (task, type, life, reason, outcome, error, error_text, attempts, version, died_ms)
  SELECT id, type, 1, CASE WHEN attempts >= max_attempts THEN 'attempts' ELSE 'permanent' END, NULL, error,
    lower(COALESCE(error, '')), attempts, 1, updated_ms FROM tasks WHERE state = 'dead' ORDER BY updated_ms, seq;

CREATE TABLE shared_state (
  seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, value TEXT NOT NULL, version INTEGER NOT NULL,
  actor TEXT NOT NULL, updated_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE locks (
  seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fence INTEGER NOT NULL, holder TEXT NOT NULL, task TEXT,
  taken_ms INTEGER NOT NULL, set_wall_ms INTEGER NOT NULL, set_mono_ms REAL NOT NULL, set_boot_id TEXT NOT NULL,
  lease_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('fence', 0);
`
