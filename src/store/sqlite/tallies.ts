/** Writes what a turn changed in the counts (store/tally.ts), and reads them. */
import type { Session } from './session.ts'

export const writeTallies = (session: Session): void => {
  for (const { kind, type, label, change } of session.tallies.changes()) {
    session.run(
      `INSERT INTO tallies (kind, type, label, count) VALUES (?, ?, ?, ?)
       ON CONFLICT (kind, type, label) DO UPDATE SET count = count + excluded.count`,
      kind,
      type,
      label,
      change,
    )
  }
}

export const taskTallies = (session: Session): { type: string; state: string; count: number }[] =>
  session.all("SELECT type, label AS state, count FROM tallies WHERE kind = 'task' AND count > 0 ORDER BY type, label")

/** Ended attempts by outcome, and those that run. */
export const attemptTallies = (session: Session): { outcome: string; count: number }[] =>
  session.all(
    `SELECT CASE kind WHEN 'task' THEN 'running' ELSE label END AS outcome, SUM(count) AS count FROM tallies
     WHERE kind = 'attempt' OR label = 'running' GROUP BY 1 HAVING SUM(count) > 0 ORDER BY 1`,
  )

/** Ends of attempts that left a rest, by task type. */
export const partialTallies = (session: Session): { type: string; count: number }[] =>
  session.all("SELECT type, count FROM tallies WHERE kind = 'partial' ORDER BY type")

/** Ends that tasks have left again, by type. */
export const leftTallies = (session: Session): { type: string; outcome: string; count: number }[] =>
  session.all("SELECT type, label AS outcome, count FROM tallies WHERE kind = 'left' ORDER BY type, label")
