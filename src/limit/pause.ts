/** How long to leave a provider alone that refused: as long as it asked for, or our own patience. */
import type { Random } from '../std/std.ts'

const ownBaseMs = 500
const ownCapMs = 60_000

/**
 * How long a scope pauses after an answer, undefined when it need not: the longer of what the header says and our own
 * patience, plus up to a tenth of jitter, so that not all come back in the same instant. `strikes` = refusals in a
 * row before this one.
 */
export const pauseAfter = (
  answer: { readonly status: number; readonly retryAfterMs: number | undefined; readonly strikes: number },
  random: Random,
): number | undefined => {
  const { status, retryAfterMs, strikes } = answer
  // Beside limits: a provider that is sick, and refusals of a firewall or of too much at once (GitHub's 403).
  const asks = retryAfterMs !== undefined && (status === 403 || status >= 500)
  if (status !== 429 && !asks) return undefined
  const ownMs = status === 429 ? Math.min(ownCapMs, ownBaseMs * 2 ** Math.min(strikes, 10)) : 0
  const baseMs = Math.max(retryAfterMs ?? 0, ownMs)
  return baseMs + 1 + random.next() * Math.min(baseMs / 10, 5_000)
}
