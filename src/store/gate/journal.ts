/**
 * The journal of calls inside gate.db: begun before the first byte leaves, ended when the outcome is known, told until
 * acknowledged.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { NotBegun } from './hot.ts'
import type { CallCount, CallEnd, CallRow, NewCall } from './rows.ts'
import type { Turn } from './turn.ts'

export interface Journal {
  /**
   * Durable when it resolves. `spent` when this grant stands in the journal already, `elsewhere` when its key is bound
   * to another account: then nothing was written, and nothing may be sent.
   */
  begin(call: NewCall): Promise<number | NotBegun>
  /**
   * Says how a call ended, once: a second end of one call changes nothing. What is not urgent is written with whatever
   * is written next, a moment later at the latest.
   */
  end(journal: number, end: CallEnd, isUrgent?: boolean): Promise<void>
  /** Begins and ends a grant that was never sent, in one commit. */
  refuse(call: NewCall, end: CallEnd): Promise<number | NotBegun>
  /** The sitter has committed these outcomes. */
  ack(journals: readonly number[]): Promise<void>
  findGrant(grant: string): CallRow | undefined
  findCall(journal: number): CallRow | undefined
  /** Journal numbers of ended grants that the sitter has not acknowledged, in order, after `after`. */
  untold(after: number, limit: number): readonly number[]
  /** Calls that a dead gate left without an end: `endOf` says what is known of each. Returns how many. */
  endOpen(endOf: (call: CallRow) => CallEnd): Promise<number>
  /** Resolves when all that was asked for so far is written, or is not to be: who reads then sees it. */
  settled(): Promise<void>
  counts(): readonly CallCount[]
  /** Uses of secrets after a number, in order. */
  uses(after: number, limit: number): readonly CallRow[]
  useCount(after: number): number
}

interface Raw {
  journal: number
  grant_id: string | null
  subject: string | null
  agent: string | null
  cell: string | null
  upstream: string
  method: string
  path: string
  hash: string | null
  credential: string | null
  version: number | null
  epoch: number
  begun_ms: number
  waited_ms: number
  host: string | null
  decision: CallRow['decision']
  ended: CallEnd['ended'] | null
  status: number | null
  outcome: string | null
  sent_ms: number | null
  took_ms: number | null
  cost: string | null
  reserved: string | null
  acked: number
}

const asRow = (raw: Raw): CallRow => ({
  journal: raw.journal,
  grant: raw.grant_id,
  subject: raw.subject,
  agent: raw.agent,
  cell: raw.cell,
  upstream: raw.upstream,
  method: raw.method,
  path: raw.path,
  hash: raw.hash,
  credential: raw.credential,
  version: raw.version,
  epoch: raw.epoch,
  begunMs: raw.begun_ms,
  waitedMs: raw.waited_ms,
  host: raw.host,
  decision: raw.decision,
  reserved: raw.reserved,
  acked: raw.acked === 1,
  end:
    raw.ended === null
      ? null
      : {
          ended: raw.ended,
          status: raw.status,
          outcome: raw.outcome,
          sentMs: raw.sent_ms,
          tookMs: raw.took_ms,
          cost: raw.cost,
        },
})

const usesOf = (db: DatabaseSync): Pick<Journal, 'uses' | 'useCount'> => {
  const uses = db.prepare('SELECT * FROM calls WHERE decision IS NOT NULL AND journal > ? ORDER BY journal LIMIT ?')
  const count = db.prepare('SELECT COUNT(*) AS count FROM calls WHERE decision IS NOT NULL AND journal > ?')
  return {
    uses: (after, limit) => (uses.all(after, limit) as unknown as Raw[]).map(asRow),
    useCount: (after) => (count.get(after) as { count: number }).count,
  }
}

export const journalOf = (db: DatabaseSync, turn: Turn): Journal => {
  const byGrant = db.prepare('SELECT * FROM calls WHERE grant_id = ?')
  const byJournal = db.prepare('SELECT * FROM calls WHERE journal = ?')
  const open = db.prepare('SELECT * FROM calls WHERE ended IS NULL')
  const untold = db.prepare(`SELECT journal FROM calls
    WHERE grant_id IS NOT NULL AND acked = 0 AND ended IS NOT NULL AND journal > ? ORDER BY journal LIMIT ?`)
  const one = (raw: unknown): CallRow | undefined => (raw === undefined ? undefined : asRow(raw as Raw))

  return {
    begin: async (call) => (await turn.hot({ do: 'begin', call }))!,
    end: async (journal, end, isUrgent = true) => {
      await turn.hot({ do: 'end', journal, end }, isUrgent)
    },
    refuse: async (call, end) => (await turn.hot({ do: 'refuse', call, end }))!,
    ack: async (journals) => {
      await turn.hot({ do: 'ack', journals })
    },
    findGrant: (grant) => one(byGrant.get(grant)),
    findCall: (journal) => one(byJournal.get(journal)),
    untold: (after, limit) => (untold.all(after, limit) as unknown as { journal: number }[]).map((row) => row.journal),
    endOpen: async (endOf) => {
      const left = (open.all() as unknown as Raw[]).map(asRow)
      await Promise.all(left.map((row) => turn.hot({ do: 'end', journal: row.journal, end: endOf(row) })))
      return left.length
    },
    settled: () => turn.settled(),
    counts: () =>
      db
        .prepare(`SELECT upstream, ended, status, COUNT(*) AS count FROM calls WHERE ended IS NOT NULL
      GROUP BY upstream, ended, status`)
        .all() as unknown as CallCount[],
    ...usesOf(db),
  }
}
