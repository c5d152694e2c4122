/** SQL of modes. */
import type { ModeClear, ModePut, ModeRow } from '../commands/modes.ts'
import type { Result } from '../commands/result.ts'
import type { Queries } from '../queries.ts'
import { done, type Asking, type Session } from './session.ts'

export const modePut = async (session: Session, row: ModePut['with']): Promise<Result<null>> => {
  await session.run(
    `INSERT INTO modes (target, source, mode, reason, actor, since_ms, until_ms, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
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

export const modeClear = async (session: Session, { target, source }: ModeClear['with']): Promise<Result<null>> => {
  await session.run('DELETE FROM modes WHERE target = $1 AND source = $2', target, source)
  return done(null)
}

const modesSql = `
SELECT target, source, mode, reason, actor, since_ms AS "sinceMs", until_ms AS "untilMs", state
  FROM modes ORDER BY target, source`

export const modeReads = (session: Asking): Pick<Queries, 'modes'> => ({
  modes: () => session.all<ModeRow>(modesSql),
})
