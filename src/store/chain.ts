/**
 * The audit chain: each entry is canonical JSON (RFC 8785) that contains the hash of the entry before it; its own hash
 * is SHA-256(0x00 ‖ bytes), the leaf hash of RFC 6962, so that a Merkle tree can be laid over the same entries later.
 */
import { createHash } from 'node:crypto'
import { canonicalJson } from '../std/std.ts'
import type { NewAudit } from './commands/record.ts'
import type { AuditView } from './queries.ts'

const leafPrefix = Buffer.from([0])

export const chainStart = '0'.repeat(64)

export const auditEntry = (seq: number, wallMs: number, entry: NewAudit, prev: string): string =>
  canonicalJson({ v: 1, seq, ts: wallMs, prev, ...entry })

export const auditHash = (entry: string): string => createHash('sha256').update(leafPrefix).update(entry).digest('hex')

export interface ChainFault {
  readonly seq: number
  readonly why: string
}

/**
 * Checks rows that follow `from`; the first fault found, or the new head. Any edit, gap, insertion or reordering is a
 * fault.
 */
export const followChain = (
  from: { seq: number; hash: string },
  rows: readonly AuditView[],
): { head: { seq: number; hash: string } } | { fault: ChainFault } => {
  let head = from
  for (const row of rows) {
    const seq = head.seq + 1
    if (row.seq !== seq) return { fault: { seq, why: `entry ${seq} is missing: the next one is ${row.seq}` } }
    if (row.prev !== head.hash) return { fault: { seq, why: `entry ${seq} does not follow the one before it` } }
    if (auditHash(row.entry) !== row.hash)
      return { fault: { seq, why: `entry ${seq} was changed: its hash does not fit its text` } }
    const inside = readEntry(row.entry)
    if (inside?.seq !== seq || inside.prev !== row.prev)
      return { fault: { seq, why: `entry ${seq} says another number or predecessor than its row` } }
    head = { seq, hash: row.hash }
  }
  return { head }
}

const readEntry = (text: string): { seq?: unknown; prev?: unknown } | undefined => {
  try {
    return JSON.parse(text) as { seq?: unknown; prev?: unknown }
  } catch {
    return undefined
  }
}
