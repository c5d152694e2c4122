/**
 * Follows the audit chain from its start and names the first entry that does not fit. Reads pages and yields between
 * them.
 */
import { chainStart, followChain, openRecordCopy, type Queries } from '../../store/store.ts'

export interface AuditVerdict {
  readonly ok: boolean
  /** Entries that were followed without fault. */
  readonly entries: number
  readonly firstBad: number | null
  readonly why: string | null
  /** Hash of the last good entry: write it down elsewhere to detect a cut tail later. */
  readonly head: string
}

/** 2,000 entries take about 8 ms to check: short enough for heartbeats beside it. */
const pageSize = 2_000

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

export const verifyAudit = async (read: Pick<Queries, 'audit'>): Promise<AuditVerdict> => {
  let head = { seq: 0, hash: chainStart }
  for (;;) {
    // From the first row that is there, not the first expected: an inserted row with a number below the head must be
    // found as well.
    const rows = await read.audit(head.seq === 0 ? Number.MIN_SAFE_INTEGER : head.seq + 1, pageSize)
    const followed = followChain(head, rows)
    if ('fault' in followed)
      return {
        ok: false,
        entries: followed.fault.seq - 1,
        firstBad: followed.fault.seq,
        why: followed.fault.why,
        head: head.hash,
      }
    head = followed.head
    if (rows.length < pageSize) return { ok: true, entries: head.seq, firstBad: null, why: null, head: head.hash }
    await nextTurn()
  }
}

/**
 * Checks a copy of the record without a sitter. @throws Failure `not-found` or `invalid` when the file is no record.
 */
export const verifyRecordFile = async (path: string): Promise<AuditVerdict> => {
  const copy = openRecordCopy(path)
  try {
    return await verifyAudit(copy.read)
  } finally {
    copy.close()
  }
}
