/**
 * Migration 1. Times are wall ms. Rows that a sitter acts for carry `owner` and `epoch`, so that a deposed sitter's
 * writes can be refused. Amounts are INTEGER minor units. Audit rows and ledger transfers are append-only, and triggers
 * say so.
 */
export const ground = `
CREATE TABLE hosts (
  owner TEXT PRIMARY KEY, epoch INTEGER NOT NULL, boot_id TEXT NOT NULL, opened_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE cells (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, agent_type TEXT NOT NULL, pid INTEGER NOT NULL, start_time TEXT NOT NULL,
  directory TEXT NOT NULL, owner TEXT NOT NULL, epoch INTEGER NOT NULL, started_ms INTEGER NOT NULL,
  ended_ms INTEGER, cause TEXT, detail TEXT
) STRICT;
CREATE INDEX cells_alive ON cells (owner) WHERE ended_ms IS NULL;

CREATE TABLE agents (
  type TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, mode TEXT NOT NULL, agent_epoch INTEGER NOT NULL,
  cell TEXT, since_ms INTEGER NOT NULL, restarts INTEGER NOT NULL, policy TEXT NOT NULL, reason TEXT, next_ms INTEGER,
  owner TEXT NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (type, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, agent_type TEXT NOT NULL, key TEXT,
  payload TEXT NOT NULL, payload_hash TEXT NOT NULL, priority INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
  deadline_ms INTEGER, batch TEXT, state TEXT NOT NULL, reason TEXT, until_ms INTEGER, attempt TEXT, agent TEXT,
  attempts INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0, result TEXT, error TEXT,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX tasks_key ON tasks (type, key) WHERE key IS NOT NULL;
CREATE INDEX tasks_ready ON tasks (agent_type, priority DESC, seq) WHERE state = 'ready';
CREATE INDEX tasks_due ON tasks (until_ms) WHERE state = 'waiting' AND until_ms IS NOT NULL;
CREATE INDEX tasks_by_state ON tasks (type, state);
CREATE INDEX tasks_batch ON tasks (batch, state) WHERE batch IS NOT NULL;

CREATE TABLE attempts (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL, number INTEGER NOT NULL, fence INTEGER NOT NULL,
  agent TEXT NOT NULL, agent_epoch INTEGER NOT NULL, cell TEXT NOT NULL, owner TEXT NOT NULL, epoch INTEGER NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER, outcome TEXT, error TEXT, late_outcome TEXT, late_ms INTEGER
) STRICT;
CREATE INDEX attempts_task ON attempts (task);
CREATE INDEX attempts_open ON attempts (owner, epoch) WHERE ended_ms IS NULL;
CREATE INDEX attempts_agent ON attempts (agent, seq);

CREATE TABLE batches (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, content_hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  channel TEXT NOT NULL,
  payer TEXT NOT NULL, rows INTEGER NOT NULL, totals TEXT NOT NULL, actor TEXT NOT NULL, created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE settlements (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payer TEXT NOT NULL, reference TEXT NOT NULL, payee TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), currency TEXT NOT NULL, channel TEXT NOT NULL, memo TEXT,
  state TEXT NOT NULL, reason TEXT, provider_key TEXT NOT NULL UNIQUE, provider_reference TEXT, batch TEXT,
  task TEXT, agent TEXT,
  tries INTEGER NOT NULL DEFAULT 0, absences INTEGER NOT NULL DEFAULT 0, next_ms INTEGER,
  person INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, UNIQUE (payer, reference)
) STRICT;
CREATE INDEX settlements_state ON settlements (state);
CREATE INDEX settlements_due ON settlements (next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX settlements_batch ON settlements (batch) WHERE batch IS NOT NULL;
CREATE INDEX settlements_person ON settlements (seq) WHERE person = 1;

CREATE TABLE intents (
  grant_id TEXT PRIMARY KEY, settlement TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL,
  request TEXT NOT NULL,
  hash TEXT NOT NULL, gate_id TEXT NOT NULL, written_ms INTEGER NOT NULL, outcome TEXT, evidence TEXT, journal INTEGER,
  closed_ms INTEGER, cost TEXT, UNIQUE (settlement, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_open ON intents (grant_id) WHERE outcome IS NULL;
CREATE INDEX intents_cost ON intents (cost) WHERE cost IS NOT NULL;

CREATE TABLE accounts (
  code TEXT NOT NULL, currency TEXT NOT NULL,
  debits_pending INTEGER NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
  debits_posted INTEGER NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
  credits_pending INTEGER NOT NULL DEFAULT 0 CHECK (credits_pending >= 0),
  credits_posted INTEGER NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
  PRIMARY KEY (code, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfers (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL CHECK (kind IN ('pending', 'post',
  'void', 'single')),
  pending_id TEXT, debit TEXT NOT NULL, credit TEXT NOT NULL, amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  currency TEXT NOT NULL, settlement TEXT, wall_ms INTEGER NOT NULL,
  CHECK (debit <> credit), CHECK ((pending_id IS NOT NULL) = (kind IN ('post', 'void')))
) STRICT;
CREATE UNIQUE INDEX transfers_resolution ON transfers (pending_id) WHERE pending_id IS NOT NULL;
CREATE INDEX transfers_settlement ON transfers (settlement);
CREATE TRIGGER transfers_keep BEFORE UPDATE ON transfers BEGIN SELECT RAISE(ABORT,
'ledger transfers are append-only'); END;
CREATE TRIGGER transfers_stay BEFORE DELETE ON transfers BEGIN SELECT RAISE(ABORT,
'ledger transfers are append-only'); END;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL, kind TEXT NOT NULL, level TEXT NOT NULL, subject TEXT NOT NULL,
  message TEXT NOT NULL, facts TEXT NOT NULL
) STRICT;
CREATE INDEX events_subject ON events (subject, seq);

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, entry TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_keep BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END;
CREATE TRIGGER audit_stay BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit entries are append-only'); END;

CREATE TABLE requests (
  key TEXT PRIMARY KEY, request_hash TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`
