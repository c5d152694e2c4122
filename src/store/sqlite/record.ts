/** SQL of the record's commands: events, the audit chain, answers to idempotent requests. */
import type { AuditAppend, EventsAdd, RequestRemember } from '../commands/record.ts'
import type { Result } from '../commands/result.ts'
import { auditEntry, auditHash } from '../chain.ts'
import { done, refuse, type Session } from './session.ts'

export const eventsAdd = (session: Session, { events, wallMs }: EventsAdd['with']): Result<null> => {
  for (const event of events) {
    session.run(
      'INSERT INTO events (wall_ms, kind, level, subject, message, facts) VALUES (?, ?, ?, ?, ?, ?)',
      wallMs,
      event.kind,
      event.level,
      event.subject,
      event.message,
      JSON.stringify(event.facts),
    )
  }
  return done(null)
}

export const auditAppend = (
  session: Session,
  { entries, wallMs }: AuditAppend['with'],
): Result<{ lastSeq: number }> => {
  for (const entry of entries) {
    const seq = session.head.seq + 1
    const text = auditEntry(seq, wallMs, entry, session.head.hash)
    const hash = auditHash(text)
    session.run('INSERT INTO audit (seq, entry, prev, hash) VALUES (?, ?, ?, ?)', seq, text, session.head.hash, hash)
    session.head = { seq, hash }
  }
  return done({ lastSeq: session.head.seq })
}

export const requestRemember = (session: Session, remember: RequestRemember['with']): Result<null> => {
  session.run('DELETE FROM requests WHERE until_ms < ?', remember.wallMs)
  session.run('DELETE FROM requests_begun WHERE key = ?', remember.key)
  const there = session.one<{ request_hash: string }>('SELECT request_hash FROM requests WHERE key = ?', remember.key)
  if (there)
    return refuse(there.request_hash === remember.requestHash ? 'exists' : 'exists-with-different', remember.key)
  session.run(
    'INSERT INTO requests (key, request_hash, status, body, until_ms) VALUES (?, ?, ?, ?, ?)',
    remember.key,
    remember.requestHash,
    remember.status,
    remember.body,
    remember.untilMs,
  )
  return done(null)
}
