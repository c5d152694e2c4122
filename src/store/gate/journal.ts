/**
 * The journal of calls inside gate.db: begun before the first byte leaves, ended when the outcome is known, told until
 * acknowledged.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { CallCount, CallEnd, CallRow, NewCall } from './rows.ts'
import { addSpentOf } from './spending.ts'
import type { Turn } from './turn.ts'

export interface Journal {
  /** Durable when it resolves. `spent` when this grant stands in the journal already: then nothing may be sent. */
  begin(call: NewCall): Promise<number | 'spent'>
  /** Says how a call ended, once: a second end of one call changes nothing. */
  end(journal: number, end: CallEnd): Promise<void>
  /** Begins and ends a grant that was never sent, in one commit. */
  refuse(call: NewCall, end: CallEnd): Promise<number | 'spent'>
  /** The sitter has committed these outcomes. */
  ack(journals: readonly number[]): Promise<void>
  findGrant(grant: string): CallRow | undefined
  findCall(journal: number): CallRow | undefined
  /** Journal numbers of ended grants that the sitter has not acknowledged, in order, after `after`. */
  untold(after: number, limit: number): readonly number[]
  /** Calls that a dead gate left without an end: `endOf` says what is known of each. Returns how many. */
  endOpen(endOf: (call: CallRow) => CallEnd): Promise<number>
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

/** In the order of the insert's columns. */
const valuesOf = (call: NewCall): (string | number | null)[] => [
  call.grant,
  call.subject,
  call.agent,
  call.cell,
  call.upstream,
  call.method,
  call.path,
  call.hash,
  call.credential,
  call.version,
  call.epoch,
  call.begunMs,
  call.waitedMs,
  call.host,
  call.decision,
  call.reserved,
  call.key ?? null,
]

const usesOf = (db: DatabaseSync): Pick<Journal, 'uses' | 'useCount'> => {
  const uses = db.prepare('SELECT * FROM calls WHERE decision IS NOT NULL AND journal > ? ORDER BY journal LIMIT ?')
  const count = db.prepare('SELECT COUNT(*) AS count FROM calls WHERE decision IS NOT NULL AND journal > ?')
  return {
    uses: (after, limit) => (uses.all(after, limit) as unknown as Raw[]).map(asRow),
    useCount: (after) => (count.get(after) as { count: number }).count,
  }
}

/** Answers that say nothing of an earlier try with the same key: it may still be under way there. */
const saysNothing = new Set([401, 403, 408, 409, 423, 425, 429])

/** A clear answer ends what was open under its key; a call by which nothing was done leaves it as it was. */
const forgetKeyOf = (db: DatabaseSync): ((journal: number, end: CallEnd) => void) => {
  const keyed = db.prepare('SELECT key FROM calls WHERE journal = ?')
  const forgetOne = db.prepare('UPDATE calls SET key = NULL WHERE journal = ?')
  const forgetAll = db.prepare('UPDATE calls SET key = NULL WHERE key = ?')
  return (journal, { ended, status }) => {
    if (ended === 'lost' || (status ?? 0) >= 500) return
    const { key } = (keyed.get(journal) ?? { key: null }) as { key: string | null }
    if (key === null) return
    if (status === null || saysNothing.has(status)) forgetOne.run(journal)
    else forgetAll.run(key)
  }
}

export const journalOf = (db: DatabaseSync, turn: Turn): Journal => {
  const insert =
    db.prepare(`INSERT INTO calls (grant_id, subject, agent, cell, upstream, method, path, hash, credential, version,
    epoch, begun_ms, waited_ms, host, decision, reserved, key)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (grant_id) DO NOTHING RETURNING journal`)
  const finish = db.prepare(`UPDATE calls SET ended = ?, status = ?, outcome = ?, sent_ms = ?, took_ms = ?, cost = ?
    WHERE journal = ? AND ended IS NULL`)
  const used = db.prepare('UPDATE secrets SET used_ms = ? WHERE name = ? AND version = ?')
  const acknowledge = db.prepare('UPDATE calls SET acked = 1 WHERE journal = ? AND ended IS NOT NULL')
  const byGrant = db.prepare('SELECT * FROM calls WHERE grant_id = ?')
  const byJournal = db.prepare('SELECT * FROM calls WHERE journal = ?')
  const untold = db.prepare(`SELECT journal FROM calls
    WHERE grant_id IS NOT NULL AND acked = 0 AND ended IS NOT NULL AND journal > ? ORDER BY journal LIMIT ?`)

  const addSpent = addSpentOf(db, turn)
  const forgetKey = forgetKeyOf(db)

  const add = (call: NewCall): number | 'spent' => {
    const made = insert.get(...valuesOf(call)) as { journal: number } | undefined
    return made?.journal ?? 'spent'
  }
  const conclude = (journal: number, end: CallEnd): void => {
    const ended = finish.run(end.ended, end.status, end.outcome, end.sentMs, end.tookMs, end.cost, journal)
    if (ended.changes === 1 && end.spent) addSpent(end.spent)
    forgetKey(journal, end)
  }
  const one = (raw: unknown): CallRow | undefined => (raw === undefined ? undefined : asRow(raw as Raw))

  return {
    begin: (call) =>
      turn.write(() => {
        const journal = add(call)
        if (journal !== 'spent' && call.credential !== null) used.run(call.begunMs, call.credential, call.version)
        return journal
      }),
    end: (journal, end) => turn.write(() => conclude(journal, end)),
    refuse: (call, end) =>
      turn.write(() => {
        const journal = add(call)
        if (journal !== 'spent') conclude(journal, end)
        return journal
      }),
    ack: (journals) =>
      turn.write(() => {
        for (const journal of journals) acknowledge.run(journal)
      }),
    findGrant: (grant) => one(byGrant.get(grant)),
    findCall: (journal) => one(byJournal.get(journal)),
    untold: (after, limit) => (untold.all(after, limit) as unknown as { journal: number }[]).map((row) => row.journal),
    endOpen: (endOf) =>
      turn.write(() => {
        const open = db.prepare('SELECT * FROM calls WHERE ended IS NULL').all() as unknown as Raw[]
        for (const raw of open) conclude(raw.journal, endOf(asRow(raw)))
        return open.length
      }),
    counts: () =>
      db
        .prepare(`SELECT upstream, ended, status, COUNT(*) AS count FROM calls WHERE ended IS NOT NULL
      GROUP BY upstream, ended, status`)
        .all() as unknown as CallCount[],
    ...usesOf(db),
  }
}
