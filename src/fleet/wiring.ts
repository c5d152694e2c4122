/** Small acts that every part of the fleet needs: an event for people, a line for the log. */
import type { CellEnd } from '../cell/cell.ts'
import type { NewEvent } from '../store/store.ts'
import type { FleetLine } from './line.ts'
import type { Live } from './live.ts'

/** An event, written with the next list of the record. */
export const notify = (
  live: Live,
  kind: string,
  level: NewEvent['level'],
  what: Pick<NewEvent, 'subject' | 'message' | 'facts'>,
): void => {
  live.record.event({ kind, level, ...what })
}

/** Remembers what an ended cell still has to remove. */
export const clearAway = (live: Live, id: string, { cleared }: CellEnd): void => {
  if (cleared === undefined) return
  const over = cleared.then((fault) => {
    live.clearing.delete(over)
    if (fault !== null) say(live, 'warn', `the directory of cell ${id} stays: ${fault}`, id)
  })
  live.clearing.add(over)
}

export const say = (live: Live, level: FleetLine['level'], message: string, cell: string | null = null): void => {
  live.options.onLog({ wallMs: live.options.clock.wallMs(), level, source: 'fleet', agent: null, cell, message })
}
