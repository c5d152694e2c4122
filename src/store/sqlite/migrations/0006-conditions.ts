/**
 * Migration 6. Conditions of partial indexes without `IN`: SQLite makes a table of a list of more than two anew in each
 * statement that changes the column, also when the row is in no such index (measured: a claim 6.0 µs instead of 3.4, an
 * end 5.8 instead of 3.1). That of `tasks_aside` is no `OR`: with one, SQLite would take the index wherever one of
 * these states is asked for, instead of the better one.
 */
export const conditions = `
DROP INDEX tasks_aside;
CREATE INDEX tasks_aside ON tasks (state, seq)
  WHERE state <> 'ready' AND state <> 'running' AND state <> 'succeeded';
DROP INDEX tasks_deadline;
CREATE INDEX tasks_deadline ON tasks (deadline_ms)
  WHERE deadline_ms IS NOT NULL AND (state = 'blocked' OR state = 'ready' OR state = 'waiting');
`
