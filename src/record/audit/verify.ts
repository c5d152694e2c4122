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

/** An entry that was written down elsewhere: the chain must still have it, with this hash. */
export interface Anchor {
  readonly seq: number
  readonly hash: string
}

const bad = (head: Anchor, seq: number, why: string): AuditVerdict => ({
  ok: false,
  entries: seq - 1,
  firstBad: seq,
  why,
  head: head.hash,
})

/** What only an anchor can show: a chain that is sound in itself, and shorter or another than it was. */
const againstAnchor = (head: Anchor, found: string | undefined, anchor: Anchor | undefined): AuditVerdict => {
  if (anchor !== undefined && anchor.seq > head.seq) {
    const why = `the chain ends at entry ${head.seq}, the anchor knows entry ${anchor.seq}: its end was cut off`
    return bad(head, head.seq + 1, `${why}, or this is an older copy`)
  }
  if (anchor !== undefined && found !== anchor.hash)
    return bad(head, anchor.seq, `entry ${anchor.seq} is not the one that the anchor knows: the chain was written anew`)
  return { ok: true, entries: head.seq, firstBad: null, why: null, head: head.hash }
}

export const verifyAudit = async (read: Pick<Queries, 'audit'>, anchor?: Anchor): Promise<AuditVerdict> => {
  let found = anchor?.seq === 0 ? chainStart : undefined
  let head = { seq: 0, hash: chainStart }
  for (;;) {
    // From the first row that is there, not the first expected: an inserted row with a number below the head must be
    // found as well.
    const rows = await read.audit(head.seq === 0 ? Number.MIN_SAFE_INTEGER : head.seq + 1, pageSize)
    const followed = followChain(head, rows)
    if ('fault' in followed) return bad(head, followed.fault.seq, followed.fault.why)
    head = followed.head
    found ??= rows.find((row) => row.seq === anchor?.seq)?.hash
    if (rows.length < pageSize) return againstAnchor(head, found, anchor)
    await nextTurn()
  }
}

/**
 * Checks a copy of the record without a sitter. @throws Failure `not-found` or `invalid` when the file is no record.
 */
export const verifyRecordFile = async (path: string, anchor?: Anchor): Promise<AuditVerdict> => {
  const copy = openRecordCopy(path)
  try {
    return await verifyAudit(copy.read, anchor)
  } finally {
    copy.close()
  }
}
