/**
 * What the gate must know so that a process that was stopped and goes on can send nothing: who lives in a cell now, in
 * which incarnation, and which attempts were taken from agents that stay. Told at once whenever one of these changes,
 * once for all that changes in one turn.
 */
import type { Live, LiveCell } from './live.ts'

/** Attempts of a cell that are kept as ended. Each was asked to give up, which is rare; older ones ended long ago. */
const mostEnded = 200

/** Tells the gate who lives in a cell and what they may call. */
export const announce = (live: Live, cell: LiveCell): void => {
  const agents = [...cell.agents].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  cell.announced = true
  live.options.gatelink.openCell({
    cell: cell.id,
    socketPath: cell.gateSocket,
    type: cell.group.settings.name,
    agents: agents.map(({ id }) => id),
    upstreams: cell.group.settings.upstreams,
    epochs: agents.map(({ epoch }) => epoch),
    ended: cell.endedAttempts,
  })
}

/** Somebody was taken out. A cell that is gone has no door any more, and one that was never told of has none yet. */
export const announceSoon = (live: Live, cell: LiveCell): void => {
  if (!cell.announced || cell.gone) return
  cell.announced = false
  queueMicrotask(() => {
    if (!cell.gone && !cell.announced) announce(live, cell)
  })
}

/** An attempt is over for us, though its agent stays and may not know it yet. */
export const fenceAttempt = (live: Live, cell: LiveCell, attempt: string): void => {
  cell.endedAttempts = [...cell.endedAttempts, attempt].slice(-mostEnded)
  announceSoon(live, cell)
}
