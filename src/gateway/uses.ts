/**
 * Tells uses of secrets to the sitter, which writes them into the audit log: in the order of their journal numbers, one
 * lot at a time, each again until it is acknowledged. The journal row is durable before a secret is opened, so a use
 * that was never told is told by the next gate. When too many wait, nothing more is used: an audit that is behind by
 * much is none.
 */
import { asFailure, type Clock, type Link } from '../std/std.ts'
import { toLine, type Use } from '../wire/wire.ts'
import type { JournalRow, Log, UseBook } from './ports.ts'

/** One frame holds them: about 300 bytes each. */
const lot = 500
/** Uses of this long go in one lot, and share a commit of the record. */
const gatherMs = 10
/** About a minute of a swarm that calls 300 times a second. */
const mostBehind = 20_000
/** Forgotten, they are told again and known by their numbers, so the cursor need not be kept at each lot. */
const keepEveryMs = 1_000
const refusalEveryMs = 10_000
/** Agents whose last refusal is remembered; beyond it the oldest is forgotten, and may be written sooner. */
const mostRefused = 10_000
const cursor = 'uses-told'

export interface Uses {
  /** A use stands in the journal. */
  added(): void
  /** As many wait as may wait. */
  behind(): boolean
  /** Whether a refusal of this agent is written now: one in 10 s, so that nobody fills a disk by being refused. */
  tells(agent: string): boolean
  link(link: Link): void
  unlink(): void
  acknowledged(upTo: unknown): void
}

const useOf = (row: JournalRow): Use => ({
  journal: row.journal,
  atMs: row.begunMs,
  decision: row.decision!,
  credential: row.credential!,
  version: row.version!,
  agent: row.agent,
  subject: row.subject,
  cell: row.cell,
  upstream: row.upstream,
  host: row.host ?? 'unknown',
  method: row.method,
})

export const openUses = (options: { readonly clock: Clock; readonly book: UseBook; readonly log: Log }): Uses => {
  const { clock, book, log } = options
  let told = Number(book.meta(cursor) ?? 0)
  let waiting = book.useCount(told)
  let to: Link | undefined
  /** The lot that is under way: its last number and its size. */
  let sent: { readonly upTo: number; readonly count: number } | undefined
  let scheduled = false
  let keeping = false
  const refused = new Map<string, number>()

  const keep = (): void => {
    keeping = false
    book.setMeta({ [cursor]: String(told) }).catch((error: unknown) => {
      log('error', 'where the audit log stands was not written', { code: asFailure(error).code })
    })
  }
  const send = (): void => {
    scheduled = false
    if (to === undefined || sent !== undefined || waiting === 0) return
    const rows = book.uses(told, lot)
    if (rows.length < lot) waiting = rows.length
    if (rows.length === 0) return
    sent = { upTo: rows.at(-1)!.journal, count: rows.length }
    to.write(toLine({ frame: 'uses', uses: rows.map(useOf) }))
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    clock.timer(gatherMs, send)
  }
  return {
    added: () => {
      waiting += 1
      schedule()
    },
    behind: () => waiting >= mostBehind,
    tells: (agent) => {
      const nowMs = clock.monoMs()
      if (nowMs - (refused.get(agent) ?? -Infinity) < refusalEveryMs) return false
      refused.delete(agent)
      refused.set(agent, nowMs)
      if (refused.size > mostRefused) refused.delete(refused.keys().next().value!)
      return true
    },
    link: (link) => {
      to = link
      sent = undefined
      schedule()
    },
    unlink: () => {
      to = undefined
      sent = undefined
    },
    acknowledged: (upTo) => {
      if (sent === undefined || upTo !== sent.upTo) return
      told = sent.upTo
      waiting -= sent.count
      sent = undefined
      if (!keeping) clock.timer(keepEveryMs, keep)
      keeping = true
      if (waiting > 0) schedule()
    },
  }
}
