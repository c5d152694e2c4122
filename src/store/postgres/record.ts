/** SQL of the record's commands: events, the audit chain, answers to idempotent requests. */
import type { AuditAppend, EventsAdd, RequestRemember } from '../commands/record.ts'
import type { Result } from '../commands/result.ts'
import { auditEntry, auditHash } from '../chain.ts'
import { columns, done, numbers, refuse, texts, type Session } from './session.ts'
import type { Statement } from './whole.ts'

export const eventsAdd = async (session: Session, { events, wallMs }: EventsAdd['with']): Promise<Result<null>> => {
  const cells = columns(
    events,
    (event) => event.kind,
    (event) => event.level,
    (event) => event.subject,
    (event) => event.message,
    (event) => JSON.stringify(event.facts),
  )
  await session.run(
    `INSERT INTO events (wall_ms, kind, level, subject, message, facts)
     SELECT $1::bigint, kind, level, subject, message, facts
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
       WITH ORDINALITY AS e (kind, level, subject, message, facts, at) ORDER BY at`,
    wallMs,
    ...cells,
  )
  return done(null)
}

interface ChainRow {
  readonly seq: number
  readonly text: string
  readonly prev: string
  readonly hash: string
}

/** The chain is computed here, from the head that this turn holds locked: the statement is sent before any answer. */
export const chainEntries = (session: Session, { entries, wallMs }: AuditAppend['with']): readonly ChainRow[] =>
  entries.map((entry) => {
    const { seq: before, hash: prev } = session.head
    const text = auditEntry(before + 1, wallMs, entry, prev)
    const row = { seq: before + 1, text, prev, hash: auditHash(text) }
    session.head = { seq: row.seq, hash: row.hash }
    return row
  })

export const chainStatement = (rows: readonly ChainRow[]): Statement => ({
  sql: `INSERT INTO audit (seq, entry, prev, hash)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])`,
  values: [
    numbers(rows, (row) => row.seq),
    texts(rows, (row) => row.text),
    texts(rows, (row) => row.prev),
    texts(rows, (row) => row.hash),
  ],
})

export const auditAppend = async (
  session: Session,
  asked: AuditAppend['with'],
): Promise<Result<{ lastSeq: number }>> => {
  const rows = chainEntries(session, asked)
  const lastSeq = session.head.seq
  const { sql, values } = chainStatement(rows)
  await session.run(sql, ...values)
  return done({ lastSeq })
}

export const requestRemember = async (session: Session, remember: RequestRemember['with']): Promise<Result<null>> => {
  await session.run('DELETE FROM requests WHERE until_ms < $1', remember.wallMs)
  await session.run('DELETE FROM requests_begun WHERE key = $1', remember.key)
  const written = await session.run(
    `INSERT INTO requests (key, request_hash, status, body, until_ms) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (key) DO NOTHING`,
    remember.key,
    remember.requestHash,
    remember.status,
    remember.body,
    remember.untilMs,
  )
  if (written === 1) return done(null)
  const there = await session.one<{ request_hash: string }>(
    'SELECT request_hash FROM requests WHERE key = $1',
    remember.key,
  )
  return refuse(there?.request_hash === remember.requestHash ? 'exists' : 'exists-with-different', remember.key)
}
