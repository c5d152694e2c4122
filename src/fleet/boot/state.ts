/** What the fleet remembers of how it came up. */
import type { LostLife } from './decide.ts'

export interface Boot {
  chain: readonly LostLife[]
  /** They start last, one at a time; who has been started is none any more. */
  suspects: Set<string>
  /** The one that was started by itself last, and when (monotonic). */
  alone: string | null
  aloneMs: number
  /** Others are waited for until then (monotonic). */
  untilMs: number
}

export const openBoot = (): Boot => ({ chain: [], suspects: new Set(), alone: null, aloneMs: 0, untilMs: 0 })
