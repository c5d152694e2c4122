/**
 * What the fleet counts for its figures since this sitter began: restarts by cause, how long silences lasted until they
 * were found, and how long agents were gone. Sums only ever grow, whoever leaves the swarm.
 */
import type { CellEnd } from '../cell/cell.ts'
import type { FleetFigures, RestartCause, Spread } from './port.ts'

/** Upper bounds of the buckets in seconds: from a host that stood by to a machine that was short for minutes. */
export const spreadBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const

const openSpread = (): { add(ms: number): void; view(): Spread } => {
  const counts = spreadBounds.map(() => 0)
  let count = 0
  let sumSeconds = 0
  return {
    add: (ms) => {
      const seconds = Math.max(0, ms) / 1_000
      const at = spreadBounds.findIndex((bound) => seconds <= bound)
      if (at >= 0) counts[at]! += 1
      count += 1
      sumSeconds += seconds
    },
    view: () => ({ counts: [...counts], count, sumSeconds }),
  }
}

export interface Figures {
  restarted(type: string, cause: RestartCause): void
  /** A cell was found silent so long after its last word. */
  silent(ms: number): void
  /** A lost cell's agents are back after so long. */
  back(ms: number): void
  view(): FleetFigures
}

export const openFigures = (): Figures => {
  const restarts = new Map<string, Map<RestartCause, number>>()
  const detection = openSpread()
  const recovery = openSpread()
  return {
    restarted: (type, cause) => {
      const of = restarts.get(type) ?? new Map<RestartCause, number>()
      restarts.set(type, of.set(cause, (of.get(cause) ?? 0) + 1))
    },
    silent: detection.add,
    back: recovery.add,
    view: () => ({
      restarts: [...restarts].flatMap(([type, of]) => [...of].map(([cause, count]) => ({ type, cause, count }))),
      detection: detection.view(),
      recovery: recovery.view(),
    }),
  }
}

interface Ended {
  readonly killedFor: string | null
  readonly suspect: boolean
  readonly readyMs: number | null
}

/** The few words for why a cell is gone; events tell the whole. */
export const restartCause = (cell: Ended, { cause, end }: CellEnd): RestartCause => {
  if (end?.hits?.some(({ limit }) => limit === 'memory') === true) return 'memory'
  if (cell.killedFor !== null && cell.suspect) return 'silent'
  if (cause === 'start-failed' || cell.readyMs === null) return 'start'
  if (cell.killedFor !== null || cause === 'killed-by-us') return 'ended'
  return cause === 'killed' ? 'signal' : cause === 'link-lost' ? 'link' : 'exit'
}
