/**
 * Payments that somebody may have to look at: SQL that both engines understand. The index by state and the one of those
 * that wait for a person find them among any number of ended ones. An unknown one is as old as its first request that
 * may have arrived; asking about it makes it no younger, as `updated_ms` would say.
 */
import type { Queries } from './queries.ts'

export interface ConcernRow {
  readonly persons: number
  readonly unknowns: number
  readonly oldest: string | null
  readonly since_ms: number | null
}

export const concernSql = `
WITH lasting AS (
  SELECT s.id, s.seq, COALESCE(
    (SELECT MIN(i.closed_ms) FROM intents AS i
     WHERE i.settlement = s.id AND i.kind = 'pay' AND (i.outcome = 'lost' OR i.outcome LIKE 'answered 5%')),
    (SELECT MAX(i.written_ms) FROM intents AS i WHERE i.settlement = s.id AND i.kind = 'pay'), s.updated_ms) AS since_ms
  FROM settlements AS s WHERE s.state = 'unknown'
)
SELECT (SELECT COUNT(*) FROM settlements WHERE person = 1) AS persons, (SELECT COUNT(*) FROM lasting) AS unknowns,
  (SELECT id FROM lasting ORDER BY since_ms, seq LIMIT 1) AS oldest,
  (SELECT MIN(since_ms) FROM lasting) AS since_ms`

export const concernView = (row: ConcernRow): Awaited<ReturnType<Queries['settlementsOfConcern']>> => ({
  persons: row.persons,
  unknown:
    row.oldest === null || row.since_ms === null
      ? null
      : { count: row.unknowns, oldest: row.oldest, sinceMs: row.since_ms },
})
