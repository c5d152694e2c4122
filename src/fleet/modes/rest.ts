/**
 * Throttled, an agent rests after each piece of work for three times as long as it had it in hand: so it works a
 * quarter of its time, whatever its usual rate is.
 */
import { throttledShare } from '../../model/model.ts'

/** Nobody rests longer after one piece of work. */
const longestRestMs = 60_000

/** How long, 0 = not at all. */
export const restMsOf = (mode: string, hadItMs: number): number =>
  mode === 'throttled' && hadItMs > 0 ? Math.min(longestRestMs, hadItMs * (1 / throttledShare - 1)) : 0
