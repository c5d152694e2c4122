/** What the fleet remembers of how it came up. */
import type { LostLife } from './decide.ts'

export interface Boot {
  chain: readonly LostLife[]
  /** They start last, one at a time; who has been started is none any more. */
  suspects: Set<string>
  /** Who they were when this sitter began; null = nobody. */
  named: { readonly agents: string; readonly count: number } | null
  /** The one that was started by itself last, and when (monotonic). */
  alone: string | null
  aloneMs: number
  /** Deaths in a row just after the one had been started by itself. */
  solo: number
  /** Since when all others are up (monotonic); Infinity = not yet. */
  othersMs: number
  /** Others are waited for until then (monotonic). */
  untilMs: number
}

export const openBoot = (): Boot => ({
  chain: [],
  suspects: new Set(),
  named: null,
  alone: null,
  aloneMs: 0,
  solo: 0,
  othersMs: Infinity,
  untilMs: 0,
})
