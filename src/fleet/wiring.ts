/** Small acts that every part of the fleet needs: an event for people, a line for the log. */
import type { NewEvent } from '../store/store.ts'
import type { FleetLine, Live } from './live.ts'

/** An event, written with the next list of the record. */
export const notify = (
  live: Live,
  kind: string,
  level: NewEvent['level'],
  what: Pick<NewEvent, 'subject' | 'message' | 'facts'>,
): void => {
  live.record.event({ kind, level, ...what })
}

export const say = (live: Live, level: FleetLine['level'], message: string, cell: string | null = null): void => {
  live.options.onLog({ wallMs: live.options.clock.wallMs(), level, source: 'fleet', agent: null, cell, message })
}
