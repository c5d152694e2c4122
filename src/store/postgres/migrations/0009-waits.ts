/**
 * Migration 9. What a waiting task waits for, where something has to open: who refused it says that it is open, and
 * then it need not wait until its time. By this index, so that nobody walks over all that wait.
 */
export const waits = `
ALTER TABLE tasks ADD COLUMN waits_for TEXT;
CREATE INDEX tasks_waits_for ON tasks (waits_for, until_ms) WHERE state = 'waiting' AND waits_for IS NOT NULL;
`
