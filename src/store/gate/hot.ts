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
  /** One value each. */
  write(hots: readonly Hot[]): readonly HotValue[]
  /** State of limits that changed, just before the COMMIT. */
  finish(limits: readonly LimitRow[]): void
  /** The transaction did not come about. */
  forget(): void
}

/** Answers that say nothing of an earlier try with the same key: it may still be under way there. */
const saysNothing = new Set([401, 403, 408, 409, 423, 425, 429])

interface Keys {
  /** One is begun. */
  begun(): void
  ended(journal: number, end: CallEnd): void
  /** The transaction is over. */
  forget(): void
}

/**
 * A clear answer ends what was open under its key; a call by which nothing was done leaves it as it was. Most calls
 * have no key: which one it is, is asked only where there is any.
 */
const keysOf = (db: DatabaseSync): Keys => {
  const forgetOne = db.prepare('UPDATE calls SET key = NULL WHERE journal = ? AND key IS NOT NULL')
  const forgetAll = db.prepare('UPDATE calls SET key = NULL WHERE key = (SELECT key FROM calls WHERE journal = ?)')
  const find = db.prepare('SELECT EXISTS (SELECT 1 FROM calls WHERE key IS NOT NULL) AS any')
  let areAny: boolean | undefined
  return {
    begun: () => {
      areAny = true
    },
    ended: (journal, { ended, status }) => {
      if (ended === 'lost' || (status ?? 0) >= 500) return
      areAny ??= (find.get() as { any: number }).any === 1
      if (areAny) (status === null || saysNothing.has(status) ? forgetOne : forgetAll).run(journal)
    },
    forget: () => {
      areAny = undefined
    },
  }
}

/** The proof that nothing happened: the same may be tried by another account. */
const unbindOf = (db: DatabaseSync): ((journal: number, end: CallEnd) => void) => {
  const unbind = db.prepare('UPDATE calls SET bound = NULL WHERE journal = ? AND bound IS NOT NULL')
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

const columns = `grant_id, subject, agent, cell, upstream, method, path, hash, credential, version,
  epoch, begun_ms, waited_ms, host, decision, reserved, key, account, bound`
const marks = `(${columns.replaceAll(/\w+/gu, '?')})`

const rowOf = (call: NewCall): (string | number | null)[] => {
  const { key = null, account = null } = call
  const isBound = key !== null && account !== null
  return [
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
  ]
}

const beginOf = (db: DatabaseSync): ((call: NewCall) => number | NotBegun) => {
  const insert = db.prepare(`INSERT INTO calls (${columns}) VALUES ${marks} ON CONFLICT (grant_id) DO NOTHING`)
  return (call) => {
    const { changes, lastInsertRowid } = insert.run(...rowOf(call))
    return changes === 1 ? Number(lastInsertRowid) : 'spent'
  }
}

/** So many calls by one statement: a third less than one each; more of them give no more. */
const together = 16

/** Begins calls that nothing can keep from being begun. Their numbers follow one another, from the one it returns. */
const beginTogetherOf = (db: DatabaseSync): ((calls: readonly NewCall[]) => number) => {
  const insert = db.prepare(`INSERT INTO calls (${columns}) VALUES ${Array(together).fill(marks).join(', ')}`)
  return (calls) => Number(insert.run(...calls.flatMap(rowOf)).lastInsertRowid) - together + 1
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

/** No grant that may stand there already, and no key that may be bound: neither spent nor elsewhere. */
const isPlain = ({ grant, key = null }: NewCall): boolean => grant === null && key === null

/** Numbers follow the order in which calls are begun; what ends was begun in a commit before. */
const inOrder = (
  hots: readonly Hot[],
  one: (hot: Hot) => HotValue,
  many: (calls: readonly NewCall[]) => number,
): readonly HotValue[] => {
  const values: HotValue[] = hots.map(() => null)
  let waiting: { readonly at: number; readonly hot: Hot & { readonly do: 'begin' } }[] = []
  const begin = (): void => {
    const first = waiting.length < together ? undefined : many(waiting.map(({ hot }) => hot.call))
    for (const [index, { at, hot }] of waiting.entries()) values[at] = first === undefined ? one(hot) : first + index
    waiting = []
  }
  for (const [at, hot] of hots.entries()) {
    if (hot.do === 'begin' && isPlain(hot.call)) {
      if (waiting.push({ at, hot }) === together) begin()
      continue
    }
    if (hot.do === 'begin' || hot.do === 'refuse') begin()
    values[at] = one(hot)
  }
  begin()
  return values
}

export const openHot = (db: DatabaseSync): HotWriter => {
  const finish = db.prepare(`UPDATE calls SET ended = ?, status = ?, outcome = ?, sent_ms = ?, took_ms = ?, cost = ?
    WHERE journal = ? AND ended IS NULL`)
  const used = db.prepare('UPDATE secrets SET used_ms = ? WHERE name = ? AND version = ?')
  const acknowledge = db.prepare('UPDATE calls SET acked = 1 WHERE journal = ? AND ended IS NOT NULL')
  const [begin, beginTogether, isElsewhere] = [beginOf(db), beginTogetherOf(db), isElsewhereOf(db)]
  const [keys, unbind, putLimits, spent] = [keysOf(db), unbindOf(db), limitsOf(db), openSpent(db)]
  /** The last use of each version in this transaction, by name and version. */
  const uses = new Map<string, NewCall>()

  const note = (call: NewCall): void => {
    if (call.credential !== null) uses.set(`${call.credential}\n${call.version}`, call)
  }
  const conclude = (journal: number, end: CallEnd): null => {
    const { ended, status, outcome, sentMs, tookMs, cost } = end
    // Without RETURNING, which makes a table for what it returns: a third of the statement.
    if (finish.run(ended, status, outcome, sentMs, tookMs, cost, journal).changes === 0) return null
    if (end.spent) spent.add(end.spent)
    keys.ended(journal, end)
    unbind(journal, end)
    return null
  }
  const writeOne = (hot: Hot): HotValue => {
    if (hot.do === 'end') return conclude(hot.journal, hot.end)
    if (hot.do === 'ack') {
      for (const journal of hot.journals) acknowledge.run(journal)
      return null
    }
    if (hot.do === 'begin' && isElsewhere(hot.call)) return 'elsewhere'
    const journal = begin(hot.call)
    if (typeof journal === 'string') return journal
    if ((hot.call.key ?? null) !== null) keys.begun()
    if (hot.do === 'refuse') conclude(journal, hot.end)
    else note(hot.call)
    return journal
  }
  const many = (calls: readonly NewCall[]): number => {
    for (const call of calls) note(call)
    return beginTogether(calls)
  }
  const forget = (): void => {
    uses.clear()
    spent.forget()
    keys.forget()
  }
  return {
    write: (hots) => inOrder(hots, writeOne, many),
    finish: (limits) => {
      for (const { begunMs, credential, version } of uses.values()) used.run(begunMs, credential, version)
      spent.write()
      putLimits(limits)
      forget()
    },
    forget,
  }
}
