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
import type { Queries } from '../queries.ts'
import { page } from '../sqlite/read-work.ts'
import { done, refuse, type Asking, type Session } from './session.ts'

type NoticeKind = 'trigger' | 'change' | 'resolve'

const addNotices = async (
  session: Session,
  of: { incident: string; kind: NoticeKind; wallMs: number },
  notices: readonly NewNotice[],
): Promise<void> => {
  for (const { target, dueMs } of notices)
    await session.run(
      'INSERT INTO notices (incident, kind, target, made_ms, due_ms) VALUES ($1, $2, $3, $4, $5)',
      of.incident,
      of.kind,
      target,
      of.wallMs,
      dueMs,
    )
}

const notOpen = async (session: Session, id: string): Promise<Result<null>> =>
  (await session.one('SELECT 1 FROM incidents WHERE id = $1', id))
    ? refuse('stale', `incident ${id} is over`)
    : refuse('not-found', `there is no incident ${id}`)

export const incidentOpen = async (session: Session, asked: IncidentOpen['with']): Promise<Result<null>> => {
  const { id, key, severity, title, facts, proposed, notices, wallMs } = asked
  const there = await session.one<{ id: string }>(
    'SELECT id FROM incidents WHERE key = $1 AND resolved_ms IS NULL',
    key,
  )
  if (there) return refuse('exists', there.id)
  await session.run(
    `INSERT INTO incidents (id, key, severity, title, facts, proposed, opened_ms, changed_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    id,
    key,
    severity,
    title,
    JSON.stringify(facts),
    proposed,
    wallMs,
    wallMs,
  )
  await addNotices(session, { incident: id, kind: 'trigger', wallMs }, notices)
  return done(null)
}

export const incidentChange = async (session: Session, asked: IncidentChange['with']): Promise<Result<null>> => {
  const { id, severity, title, facts, proposed, notices, wallMs } = asked
  const changed = await session.run(
    `UPDATE incidents SET severity = $1, title = $2, facts = $3, proposed = $4, changed_ms = $5
     WHERE id = $6 AND resolved_ms IS NULL`,
    severity,
    title,
    JSON.stringify(facts),
    proposed,
    wallMs,
    id,
  )
  if (changed === 0) return notOpen(session, id)
  await addNotices(session, { incident: id, kind: 'change', wallMs }, notices)
  return done(null)
}

export const incidentResolve = async (session: Session, asked: IncidentResolve['with']): Promise<Result<null>> => {
  const { id, by, notices, wallMs } = asked
  const resolved = await session.run(
    'UPDATE incidents SET resolved_by = $1, resolved_ms = $2 WHERE id = $3 AND resolved_ms IS NULL',
    by,
    wallMs,
    id,
  )
  if (resolved === 0) return notOpen(session, id)
  await addNotices(session, { incident: id, kind: 'resolve', wallMs }, notices)
  return done(null)
}

export const incidentAck = async (session: Session, { id, by, wallMs }: IncidentAck['with']): Promise<Result<null>> => {
  const acked = await session.run(
    'UPDATE incidents SET acked_by = $1, acked_ms = $2 WHERE id = $3 AND resolved_ms IS NULL AND acked_ms IS NULL',
    by,
    wallMs,
    id,
  )
  if (acked > 0) return done(null)
  const seen = await session.one<{ acked_by: string }>(
    'SELECT acked_by FROM incidents WHERE id = $1 AND resolved_ms IS NULL AND acked_ms IS NOT NULL',
    id,
  )
  return seen ? refuse('exists', `${seen.acked_by} has seen incident ${id}`) : notOpen(session, id)
}

export const silenceSet = async (
  session: Session,
  { prefix, untilMs, by, wallMs }: SilenceSet['with'],
): Promise<Result<null>> => {
  await session.run('DELETE FROM silences WHERE until_ms < $1', wallMs)
  await session.run(
    `INSERT INTO silences (prefix, until_ms, by_whom, set_ms) VALUES ($1, $2, $3, $4)
     ON CONFLICT (prefix) DO UPDATE
     SET until_ms = excluded.until_ms, by_whom = excluded.by_whom, set_ms = excluded.set_ms`,
    prefix,
    untilMs,
    by,
    wallMs,
  )
  return done(null)
}

export const silenceEnd = async (session: Session, { prefix }: SilenceEnd['with']): Promise<Result<null>> =>
  (await session.run('DELETE FROM silences WHERE prefix = $1', prefix)) > 0
    ? done(null)
    : refuse('not-found', `nothing is silenced by ${prefix}`)

export const noticeTried = async (session: Session, tried: NoticeTried['with']): Promise<Result<null>> => {
  const { seq, outcome, error, dueMs, wallMs } = tried
  const isEnd = outcome !== 'again'
  const changed = await session.run(
    `UPDATE notices SET tries = tries + 1, error = $1, due_ms = $2, ended = $3, ended_ms = $4
     WHERE seq = $5 AND ended IS NULL`,
    error,
    isEnd ? null : dueMs,
    isEnd ? outcome : null,
    isEnd ? wallMs : null,
    seq,
  )
  return changed > 0 ? done(null) : refuse('stale', `notice ${seq} has ended`)
}

type IncidentReads = Pick<Queries, 'incident' | 'incidents' | 'noticesOf' | 'noticesDue' | 'silences'>

export const incidentReads = (session: Asking): IncidentReads => ({
  incident: async (id) => {
    const row = await session.one<IncidentRow>('SELECT * FROM incidents WHERE id = $1', id)
    return row && incidentView(row)
  },
  incidents: async ({ limit, after, open }) => {
    const before = after === null ? Number.MAX_SAFE_INTEGER : Number(after)
    const rows = await session.all<IncidentRow>(
      `SELECT * FROM incidents WHERE seq < $1 ${open === true ? 'AND resolved_ms IS NULL' : ''}
       ORDER BY seq DESC LIMIT $2`,
      before,
      limit + 1,
    )
    return page(rows, limit, incidentView)
  },
  noticesOf: async (incident) =>
    (await session.all<NoticeRow>('SELECT * FROM notices WHERE incident = $1 ORDER BY seq', incident)).map(noticeView),
  noticesDue: async (wallMs, limit) =>
    (
      await session.all<NoticeRow>(
        'SELECT * FROM notices WHERE due_ms <= $1 ORDER BY due_ms, seq LIMIT $2',
        wallMs,
        limit,
      )
    ).map(noticeView),
  silences: async (wallMs) =>
    (
      await session.all<{ prefix: string; until_ms: number; by_whom: string; set_ms: number }>(
        'SELECT * FROM silences WHERE until_ms >= $1 ORDER BY prefix',
        wallMs,
      )
    ).map((row) => ({ prefix: row.prefix, untilMs: row.until_ms, by: row.by_whom, setMs: row.set_ms })),
})
