/** SQL of modes. */
import type { ModeClear, ModePut, ModeRow } from '../commands/modes.ts'
import type { Result } from '../commands/result.ts'
import type { Reads } from './answers.ts'
import { done, type Session } from './session.ts'

export const modePut = (session: Session, row: ModePut['with']): Result<null> => {
  session.run(
    `INSERT INTO modes (target, source, mode, reason, actor, since_ms, until_ms, state)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (target, source) DO UPDATE SET mode = excluded.mode, reason = excluded.reason,
       actor = excluded.actor, since_ms = excluded.since_ms, until_ms = excluded.until_ms, state = excluded.state`,
    row.target,
    row.source,
    row.mode,
    row.reason,
    row.actor,
    row.sinceMs,
    row.untilMs,
    row.state,
  )
  return done(null)
}

export const modeClear = (session: Session, { target, source }: ModeClear['with']): Result<null> => {
  session.run('DELETE FROM modes WHERE target = ? AND source = ?', target, source)
  return done(null)
}

const modesSql = `
SELECT target, source, mode, reason, actor, since_ms AS "sinceMs", until_ms AS "untilMs", state
  FROM modes ORDER BY target, source`

export const modeReads = (session: Session): Pick<Reads, 'modes'> => ({
  modes: () => session.all<ModeRow>(modesSql),
})
