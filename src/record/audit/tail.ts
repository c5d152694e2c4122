/** A quick look at the end of the audit chain, in a file or a server: whether its last entries follow one another. */
import type { Clock } from '../../std/std.ts'
import { followChain, lookIntoPostgres, openRecordCopy, type Queries } from '../../store/store.ts'
import type { AuditVerdict } from './verify.ts'

/** A look at 1,000 entries takes about 5 ms, however long the chain is. */
const lastEntries = 1_000

const lookAtEnd = async (read: Pick<Queries, 'auditHead' | 'audit'>): Promise<AuditVerdict> => {
  const end = await read.auditHead()
  const [before, ...rows] = await read.audit(Math.max(0, end.seq - lastEntries), lastEntries + 1)
  if (before === undefined) return { ok: end.seq === 0, entries: 0, firstBad: null, why: null, head: end.hash }
  const from = before.seq === 1 ? { seq: 0, hash: before.prev } : before
  const followed = followChain(from, before.seq === 1 ? [before, ...rows] : rows)
  const why = 'fault' in followed ? followed.fault : null
  const entries = rows.length + (before.seq === 1 ? 1 : 0)
  return { ok: why === null, entries, firstBad: why?.seq ?? null, why: why?.why ?? null, head: end.hash }
}

/** @throws Failure `not-found` or `invalid` when the file is no record. */
export const lookAtAuditEnd = async (path: string): Promise<AuditVerdict> => {
  const copy = openRecordCopy(path)
  try {
    return await lookAtEnd(copy.read)
  } finally {
    copy.close()
  }
}

/** The same in a PostgreSQL server. Rejects with `record-unreachable`, or `not-found` when none is there yet. */
export const lookAtServersAuditEnd = async (url: string, clock: Clock): Promise<AuditVerdict> => {
  const look = await lookIntoPostgres(url, clock)
  try {
    return await lookAtEnd(look.read)
  } finally {
    await look.close()
  }
}
