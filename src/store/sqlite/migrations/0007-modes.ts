/**
 * Migration 7. Modes of the swarm, its types, agents and channels: at most one that a person has set, and one of a
 * rule.
 */
export const modes = `
CREATE TABLE modes (
  target TEXT NOT NULL, source TEXT NOT NULL, mode TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL,
  since_ms INTEGER NOT NULL, until_ms INTEGER, state TEXT, PRIMARY KEY (target, source)
) STRICT, WITHOUT ROWID;
`
