/**
 * Migration 8. What the fleet of a host remembers beside its agents (groups, rolling restarts, the governor, how its
 * last lives ended), as a few named texts that it owns and reads when it opens.
 */
export const fleetNotes = `
CREATE TABLE fleet_notes (
  owner TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;
`
