/**
 * Tells outcomes to the sitter, at least once each: those of now as they come, and after `open` all that were never
 * acknowledged. Only journal numbers are held; the row is read when it is written to the link, and no more is written
 * than the sitter takes.
 */
import type { Link } from '../std/std.ts'
import { toLine, type Call, type CallOutcome } from '../wire/wire.ts'
import type { CallJournal, JournalRow } from './ports.ts'

/** Bytes that may wait in the link's buffer before telling pauses. */
const mostPending = 4 * 1024 * 1024
const batch = 200
/** Beyond this many held numbers they are forgotten and read from the journal again. */
const mostHeld = 50_000

export interface Teller {
  tell(journal: number): void
  close(): void
}

const callOf = (row: JournalRow): Call => ({
  frame: 'call',
  journal: row.journal,
  grant: row.grant!,
  subject: row.subject ?? '',
  outcome: JSON.parse(row.end!.outcome!) as CallOutcome,
  sentMs: row.end!.sentMs,
  tookMs: row.end!.tookMs,
  waitedMs: row.waitedMs,
  cost: row.end!.cost,
  credential: row.credential,
})

/** One per link; begins with everything that is not acknowledged. */
export const openTeller = (link: Link, journal: CallJournal): Teller => {
  let held: number[] = []
  /** Where reading from the journal goes on; undefined when it is read up. */
  let after: number | undefined = 0
  let scheduled = false
  let closed = false

  const refill = (): void => {
    if (held.length > 0 || after === undefined) return
    held = [...journal.untold(after, batch)]
    after = held.length < batch ? undefined : held.at(-1)
  }
  const pump = (): void => {
    scheduled = false
    for (;;) {
      refill()
      if (closed || held.length === 0 || link.pendingBytes > mostPending) return
      const lines: string[] = []
      for (const number of held.splice(0, batch)) {
        const row = journal.findCall(number)
        if (row?.end?.outcome != null) lines.push(toLine(callOf(row)))
      }
      if (lines.length > 0) link.write(lines.join(''))
    }
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(pump)
  }
  link.onDrain(schedule)
  schedule()
  return {
    tell: (number) => {
      held.push(number)
      if (held.length > mostHeld) {
        held = []
        after = 0
      }
      schedule()
    },
    close: () => {
      closed = true
    },
  }
}
