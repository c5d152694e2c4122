/** Writes what a turn changed in the counts (store/tally.ts) in one statement, and reads them. */
import { columns, type Asking, type Session } from './session.ts'

export const writeTallies = async (session: Session): Promise<void> => {
  const changes = session.tallies.changes()
  if (changes.length === 0) return
  const cells = columns(
    changes,
    ({ kind }) => kind,
    ({ type }) => type,
    ({ label }) => label,
    ({ change }) => change,
  )
  await session.run(
    `INSERT INTO tallies (kind, type, label, count)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
     ON CONFLICT (kind, type, label) DO UPDATE SET count = tallies.count + excluded.count`,
    ...cells,
  )
}

export const taskTallies = (asking: Asking): Promise<{ type: string; state: string; count: number }[]> =>
  asking.all("SELECT type, label AS state, count FROM tallies WHERE kind = 'task' AND count > 0 ORDER BY type, label")

/** Ended attempts by outcome, and those that run. */
export const attemptTallies = (asking: Asking): Promise<{ outcome: string; count: number }[]> =>
  asking.all(
    `SELECT CASE kind WHEN 'task' THEN 'running' ELSE label END AS outcome, SUM(count) AS count FROM tallies
     WHERE kind = 'attempt' OR label = 'running' GROUP BY 1 HAVING SUM(count) > 0 ORDER BY 1`,
  )

/** Ends of attempts that left a rest, by task type. */
export const partialTallies = (asking: Asking): Promise<{ type: string; count: number }[]> =>
  asking.all("SELECT type, count FROM tallies WHERE kind = 'partial' ORDER BY type")

/** Ends that tasks have left again, by type. */
export const leftTallies = (asking: Asking): Promise<{ type: string; outcome: string; count: number }[]> =>
  asking.all("SELECT type, label AS outcome, count FROM tallies WHERE kind = 'left' ORDER BY type, label")
