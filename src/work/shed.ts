/**
 * Under a flood the least urgent is refused first: before the record takes nothing more at all, what is submitted must
 * be the more important the more writes wait. `load` is the share of the record's bound that waits for a commit.
 */
import { Failure } from '../std/std.ts'

/** Until then nobody is refused. */
const calm = 0.5
const priorities = 10

/** The lowest priority that is taken: 0 up to half the bound, 9 just before it. */
export const leastTaken = (load: number): number =>
  Math.min(priorities - 1, Math.floor(Math.max(0, (load - calm) / (1 - calm)) * priorities))

/** @throws Failure `overloaded` for the whole submission when one of its tasks is less urgent than what is taken. */
export const assertUrgent = (tasks: readonly { readonly priority: number }[], load: number): void => {
  const least = leastTaken(load)
  if (least === 0 || tasks.every(({ priority }) => priority >= least)) return
  const message = `too many writes wait for the record: only tasks of priority ${least} and more are taken`
  throw new Failure('overloaded', message, { retryAfterMs: 1_000 })
}
