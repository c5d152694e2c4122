/** SQL of incidents, what is sent about them, and silences; and their reads. */
import type {
  IncidentAck,
  IncidentChange,
  IncidentOpen,
  IncidentResolve,
  NewNotice,
  NoticeTried,
  SilenceEnd,
  SilenceSet,
} from '../commands/incidents.ts'
import type { Result } from '../commands/result.ts'
import { incidentView, noticeView, type IncidentRow, type NoticeRow } from '../incident-rows.ts'
import type { Reads } from './answers.ts'
import { page } from './read-work.ts'
import { done, refuse, type Session } from './session.ts'

type NoticeKind = 'trigger' | 'change' | 'resolve'

const addNotices = (
  session: Session,
  of: { incident: string; kind: NoticeKind; wallMs: number },
  notices: readonly NewNotice[],
): void => {
  for (const { target, dueMs } of notices)
    session.run(
      'INSERT INTO notices (incident, kind, target, made_ms, due_ms) VALUES (?, ?, ?, ?, ?)',
      of.incident,
      of.kind,
      target,
      of.wallMs,
      dueMs,
    )
}

const notOpen = (session: Session, id: string): Result<null> =>
  session.one('SELECT 1 FROM incidents WHERE id = ?', id)
    ? refuse('stale', `incident ${id} is over`)
    : refuse('not-found', `there is no incident ${id}`)

export const incidentOpen = (session: Session, asked: IncidentOpen['with']): Result<null> => {
  const { id, key, severity, title, facts, proposed, notices, wallMs } = asked
  const there = session.one<{ id: string }>('SELECT id FROM incidents WHERE key = ? AND resolved_ms IS NULL', key)
  if (there) return refuse('exists', there.id)
  session.run(
    `INSERT INTO incidents (id, key, severity, title, facts, proposed, opened_ms, changed_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    key,
    severity,
    title,
    JSON.stringify(facts),
    proposed,
    wallMs,
    wallMs,
  )
  addNotices(session, { incident: id, kind: 'trigger', wallMs }, notices)
  return done(null)
}

export const incidentChange = (session: Session, asked: IncidentChange['with']): Result<null> => {
  const { id, severity, title, facts, proposed, notices, wallMs } = asked
  const changed = session.run(
    `UPDATE incidents SET severity = ?, title = ?, facts = ?, proposed = ?, changed_ms = ?
     WHERE id = ? AND resolved_ms IS NULL`,
    severity,
    title,
    JSON.stringify(facts),
    proposed,
    wallMs,
    id,
  )
  if (changed === 0) return notOpen(session, id)
  addNotices(session, { incident: id, kind: 'change', wallMs }, notices)
  return done(null)
}

export const incidentResolve = (session: Session, asked: IncidentResolve['with']): Result<null> => {
  const { id, by, notices, wallMs } = asked
  const resolved = session.run(
    'UPDATE incidents SET resolved_by = ?, resolved_ms = ? WHERE id = ? AND resolved_ms IS NULL',
    by,
    wallMs,
    id,
  )
  if (resolved === 0) return notOpen(session, id)
  addNotices(session, { incident: id, kind: 'resolve', wallMs }, notices)
  return done(null)
}

export const incidentAck = (session: Session, { id, by, wallMs }: IncidentAck['with']): Result<null> => {
  const acked = session.run(
    'UPDATE incidents SET acked_by = ?, acked_ms = ? WHERE id = ? AND resolved_ms IS NULL AND acked_ms IS NULL',
    by,
    wallMs,
    id,
  )
  if (acked > 0) return done(null)
  const seen = session.one<{ acked_by: string }>(
    'SELECT acked_by FROM incidents WHERE id = ? AND resolved_ms IS NULL AND acked_ms IS NOT NULL',
    id,
  )
  return seen ? refuse('exists', `${seen.acked_by} has seen incident ${id}`) : notOpen(session, id)
}

export const silenceSet = (session: Session, { prefix, untilMs, by, wallMs }: SilenceSet['with']): Result<null> => {
  session.run('DELETE FROM silences WHERE until_ms < ?', wallMs)
  session.run(
    'INSERT OR REPLACE INTO silences (prefix, until_ms, by_whom, set_ms) VALUES (?, ?, ?, ?)',
    prefix,
    untilMs,
    by,
    wallMs,
  )
  return done(null)
}

export const silenceEnd = (session: Session, { prefix }: SilenceEnd['with']): Result<null> =>
  session.run('DELETE FROM silences WHERE prefix = ?', prefix) > 0
    ? done(null)
    : refuse('not-found', `nothing is silenced by ${prefix}`)

export const noticeTried = (session: Session, tried: NoticeTried['with']): Result<null> => {
  const { seq, outcome, error, dueMs, wallMs } = tried
  const isEnd = outcome !== 'again'
  const changed = session.run(
    `UPDATE notices SET tries = tries + 1, error = ?, due_ms = ?, ended = ?, ended_ms = ?
     WHERE seq = ? AND ended IS NULL`,
    error,
    isEnd ? null : dueMs,
    isEnd ? outcome : null,
    isEnd ? wallMs : null,
    seq,
  )
  return changed > 0 ? done(null) : refuse('stale', `notice ${seq} has ended`)
}

type IncidentReads = Pick<Reads, 'incident' | 'incidents' | 'noticesOf' | 'noticesDue' | 'silences'>

export const incidentReads = (session: Session): IncidentReads => ({
  incident: (id) => {
    const row = session.one<IncidentRow>('SELECT * FROM incidents WHERE id = ?', id)
    return row && incidentView(row)
  },
  incidents: ({ limit, after, open }) => {
    const before = after === null ? Number.MAX_SAFE_INTEGER : Number(after)
    const rows = session.all<IncidentRow>(
      `SELECT * FROM incidents WHERE seq < ? ${open === true ? 'AND resolved_ms IS NULL' : ''}
       ORDER BY seq DESC LIMIT ?`,
      before,
      limit + 1,
    )
    return page(rows, limit, incidentView)
  },
  noticesOf: (incident) =>
    session.all<NoticeRow>('SELECT * FROM notices WHERE incident = ? ORDER BY seq', incident).map(noticeView),
  noticesDue: (wallMs, limit) =>
    session
      .all<NoticeRow>('SELECT * FROM notices WHERE due_ms <= ? ORDER BY due_ms, seq LIMIT ?', wallMs, limit)
      .map(noticeView),
  silences: (wallMs) =>
    session
      .all<{ prefix: string; until_ms: number; by_whom: string; set_ms: number }>(
        'SELECT * FROM silences WHERE until_ms >= ? ORDER BY prefix',
        wallMs,
      )
      .map((row) => ({ prefix: row.prefix, untilMs: row.until_ms, by: row.by_whom, setMs: row.set_ms })),
})
