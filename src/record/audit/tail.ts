/** A quick look at the end of the audit chain in a file: whether its last entries follow one another. */
import { followChain, openRecordCopy } from '../../store/store.ts'
import type { AuditVerdict } from './verify.ts'

/** A look at 1,000 entries takes about 5 ms, however long the chain is. */
const lastEntries = 1_000

/** @throws Failure `not-found` or `invalid` when the file is no record. */
export const lookAtAuditEnd = async (path: string): Promise<AuditVerdict> => {
  const copy = openRecordCopy(path)
  try {
    const end = await copy.read.auditHead()
    const [before, ...rows] = await copy.read.audit(Math.max(0, end.seq - lastEntries), lastEntries + 1)
    if (before === undefined) return { ok: end.seq === 0, entries: 0, firstBad: null, why: null, head: end.hash }
    const from = before.seq === 1 ? { seq: 0, hash: before.prev } : before
    const followed = followChain(from, before.seq === 1 ? [before, ...rows] : rows)
    const why = 'fault' in followed ? followed.fault : null
    const entries = rows.length + (before.seq === 1 ? 1 : 0)
    return { ok: why === null, entries, firstBad: why?.seq ?? null, why: why?.why ?? null, head: end.hash }
  } finally {
    copy.close()
  }
}
