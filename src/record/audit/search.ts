/**
 * Looks for audit entries by what they say. There is no index over the chain, so one asking looks at a bounded number
 * of entries and says where the next one goes on: a page may be empty and yet not the last.
 */
import type { AuditView, Page, Queries } from '../../store/store.ts'

export interface AuditFilter {
  /** Exactly this actor, this object. */
  readonly actor?: string
  readonly object?: string
  /** This action, or everything under it: `settlement` finds `settlement.opened`. */
  readonly action?: string
  readonly sinceMs?: number
  /** Part of the entry's text, as it is written there. */
  readonly text?: string
}

/** Looking at 20,000 entries takes about 60 ms of a core, in pages with room for others between them. */
const mostLooked = 20_000
const pageSize = 2_000

interface Said {
  readonly actor?: unknown
  readonly action?: unknown
  readonly object?: unknown
  readonly ts?: unknown
}

const said = (entry: string): Said => {
  try {
    return JSON.parse(entry) as Said
  } catch {
    return {} // an entry that is no JSON was tampered with: `verify` names it, a search finds it by its text alone
  }
}

export const auditFits = ({ entry }: AuditView, filter: AuditFilter): boolean => {
  const { actor, action, object, sinceMs, text } = filter
  if (text !== undefined && !entry.includes(text)) return false
  if (actor === undefined && action === undefined && object === undefined && sinceMs === undefined) return true
  const facts = said(entry)
  return (
    (actor === undefined || facts.actor === actor) &&
    (object === undefined || facts.object === object) &&
    (action === undefined || facts.action === action || String(facts.action).startsWith(`${action}.`)) &&
    (sinceMs === undefined || (typeof facts.ts === 'number' && facts.ts >= sinceMs))
  )
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Entries from `fromSeq` on that fit, at most `limit`; `next` is the number to go on from, null at the end. */
export const searchAudit = async (
  read: Pick<Queries, 'audit'>,
  filter: AuditFilter,
  { fromSeq, limit }: { readonly fromSeq: number; readonly limit: number },
): Promise<Page<AuditView>> => {
  const isPlain = Object.keys(filter).length === 0
  const items: AuditView[] = []
  let seq = fromSeq
  for (let looked = 0; looked < mostLooked; looked += pageSize) {
    const ask = isPlain ? limit : pageSize
    const rows = await read.audit(seq, ask)
    for (const row of rows) {
      seq = row.seq + 1
      if (!auditFits(row, filter)) continue
      items.push(row)
      if (items.length === limit) return { items, next: String(seq) }
    }
    if (rows.length < ask) return { items, next: null }
    await nextTurn()
  }
  return { items, next: String(seq) }
}
