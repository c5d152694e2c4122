/**
 * What is written for each call: its beginning, its end, and that its outcome was taken. Plain values, so that another
 * thread can write them (writer.ts); where there is none they are written by the same functions.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { BoundRow, CallEnd, LimitRow, NewCall } from './rows.ts'
import { openSpent } from './spending.ts'

export type Hot =
  | { readonly do: 'begin'; readonly call: NewCall }
  | { readonly do: 'end'; readonly journal: number; readonly end: CallEnd }
  /** Begins and ends it. */
  | { readonly do: 'refuse'; readonly call: NewCall; readonly end: CallEnd }
  | { readonly do: 'ack'; readonly journals: readonly number[] }

/** Why a call is not begun: its grant stands in the journal already; its key is bound to another account. */
export type NotBegun = 'spent' | 'elsewhere'
/** Number of the row that was begun. Null: it begins none. */
export type HotValue = number | NotBegun | null

/** Within a transaction. */
export interface HotWriter {
  write(hot: Hot): HotValue
  /** State of limits that changed, just before the COMMIT. */
  finish(limits: readonly LimitRow[]): void
  /** The transaction did not come about. */
  forget(): void
}

/** Answers that say nothing of an earlier try with the same key: it may still be under way there. */
const saysNothing = new Set([401, 403, 408, 409, 423, 425, 429])

/** A clear answer ends what was open under its key; a call by which nothing was done leaves it as it was. */
const forgetKeyOf = (db: DatabaseSync): ((journal: number, key: string, end: CallEnd) => void) => {
  const forgetOne = db.prepare('UPDATE calls SET key = NULL WHERE journal = ?')
  const forgetAll = db.prepare('UPDATE calls SET key = NULL WHERE key = ?')
  return (journal, key, { ended, status }) => {
    if (ended === 'lost' || (status ?? 0) >= 500) return
    if (status === null || saysNothing.has(status)) forgetOne.run(journal)
    else forgetAll.run(key)
  }
}

/** The proof that nothing happened: the same may be tried by another account. */
const unbindOf = (db: DatabaseSync): ((journal: number, end: CallEnd) => void) => {
  const unbind = db.prepare('UPDATE calls SET bound = NULL WHERE journal = ?')
  return (journal, { ended, status }) => {
    if (ended === 'not-sent' || status === 401) unbind.run(journal)
  }
}

/** Asked in the transaction that begins the call, so no two of one key begin by two accounts, however they raced. */
const isElsewhereOf = (db: DatabaseSync): ((call: NewCall) => boolean) => {
  const bound = db.prepare('SELECT account, credential FROM calls WHERE bound = ?')
  return ({ key, account, members }) => {
    if (key === null || key === undefined || members === undefined) return false
    return (bound.all(key) as unknown as BoundRow[]).some(
      (row) => row.account !== account && !members.includes(row.credential),
    )
  }
}

const beginOf = (db: DatabaseSync): ((call: NewCall) => number | NotBegun) => {
  const insert =
    db.prepare(`INSERT INTO calls (grant_id, subject, agent, cell, upstream, method, path, hash, credential, version,
    epoch, begun_ms, waited_ms, host, decision, reserved, key, account, bound)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (grant_id) DO NOTHING`)
  return (call) => {
    const { key = null, account = null } = call
    const isBound = key !== null && account !== null
    const { changes, lastInsertRowid } = insert.run(
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
      key,
      isBound ? account : null,
      isBound ? key : null,
    )
    return changes === 1 ? Number(lastInsertRowid) : 'spent'
  }
}

const limitsOf = (db: DatabaseSync): ((rows: readonly LimitRow[]) => void) => {
  const put = db.prepare(`INSERT INTO limits (name, ahead_ms, pause_ms, strikes, wall_ms, mono_ms, boot_id)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
    SET ahead_ms = excluded.ahead_ms, pause_ms = excluded.pause_ms,
    strikes = excluded.strikes, wall_ms = excluded.wall_ms, mono_ms = excluded.mono_ms, boot_id = excluded.boot_id`)
  return (rows) => {
    for (const row of rows) put.run(row.name, row.aheadMs, row.pauseMs, row.strikes, row.wallMs, row.monoMs, row.bootId)
  }
}

interface Finished {
  readonly key: string | null
  readonly bound: string | null
}

export const openHot = (db: DatabaseSync): HotWriter => {
  const finish = db.prepare(`UPDATE calls SET ended = ?, status = ?, outcome = ?, sent_ms = ?, took_ms = ?, cost = ?
    WHERE journal = ? AND ended IS NULL RETURNING key, bound`)
  const used = db.prepare('UPDATE secrets SET used_ms = ? WHERE name = ? AND version = ?')
  const acknowledge = db.prepare('UPDATE calls SET acked = 1 WHERE journal = ? AND ended IS NOT NULL')
  const [begin, isElsewhere, forgetKey, unbind] = [beginOf(db), isElsewhereOf(db), forgetKeyOf(db), unbindOf(db)]
  const [putLimits, spent] = [limitsOf(db), openSpent(db)]
  /** The last use of each version in this transaction, by name and version. */
  const uses = new Map<string, NewCall>()

  const conclude = (journal: number, end: CallEnd): null => {
    const { ended, status, outcome, sentMs, tookMs, cost } = end
    const row = finish.get(ended, status, outcome, sentMs, tookMs, cost, journal) as Finished | undefined
    if (row === undefined) return null
    if (end.spent) spent.add(end.spent)
    if (row.key !== null) forgetKey(journal, row.key, end)
    if (row.bound !== null) unbind(journal, end)
    return null
  }
  const write = (hot: Hot): HotValue => {
    if (hot.do === 'end') return conclude(hot.journal, hot.end)
    if (hot.do === 'ack') {
      for (const journal of hot.journals) acknowledge.run(journal)
      return null
    }
    if (hot.do === 'begin' && isElsewhere(hot.call)) return 'elsewhere'
    const journal = begin(hot.call)
    if (typeof journal === 'string') return journal
    if (hot.do === 'refuse') conclude(journal, hot.end)
    else if (hot.call.credential !== null) uses.set(`${hot.call.credential}\n${hot.call.version}`, hot.call)
    return journal
  }
  const forget = (): void => {
    uses.clear()
    spent.forget()
  }
  return {
    write,
    finish: (limits) => {
      for (const { begunMs, credential, version } of uses.values()) used.run(begunMs, credential, version)
      spent.write()
      putLimits(limits)
      forget()
    },
    forget,
  }
}
