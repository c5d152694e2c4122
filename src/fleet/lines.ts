/**
 * Lines that agents and hosts print, on their way to the log. Bound: 200 lines a second and cell, each at most 16 KiB;
 * what is over is dropped, counted, and the count is told, so that a flood costs its own cell's log and nothing else.
 */
import { bounds } from '../wire/wire.ts'
import type { FleetLine } from './line.ts'
import type { Live, LiveCell } from './live.ts'

const windowMs = 1_000
const linesPerWindow = 200

/** Tells what was dropped, if anything, and begins a new window. */
export const flushLines = (live: Live, cell: LiveCell): void => {
  const { lines } = cell
  if (lines.dropped > 0) {
    live.counts.linesDropped += lines.dropped
    live.options.onLog({
      wallMs: live.options.clock.wallMs(),
      level: 'warn',
      source: 'fleet',
      agent: null,
      cell: cell.id,
      message: `${lines.dropped} lines of cell ${cell.id} dropped: more than ${linesPerWindow} in ${windowMs} ms`,
      fields: { dropped: lines.dropped },
    })
  }
  lines.windowMs = live.options.clock.monoMs()
  lines.count = 0
  lines.dropped = 0
}

/** False when the line was over the bound. */
export const putLine = (live: Live, cell: LiveCell, line: Omit<FleetLine, 'wallMs' | 'cell'>): boolean => {
  const { lines } = cell
  if (live.options.clock.monoMs() - lines.windowMs >= windowMs) flushLines(live, cell)
  if (lines.count >= linesPerWindow) {
    lines.dropped += 1
    return false
  }
  lines.count += 1
  const message = line.message.slice(0, bounds.logLineBytes)
  live.options.onLog({ ...line, wallMs: live.options.clock.wallMs(), cell: cell.id, message })
  return true
}
