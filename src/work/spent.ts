/**
 * The work that a task may cost: time in hand over all its attempts, of types that have a bound. Unlike the window
 * without progress and the count of attempts it never begins anew by itself: not by progress, not by an attempt that
 * cost nothing. What was in hand before is read once an attempt, and only when there was something.
 */
import type { TaskType } from '../model/model.ts'
import type { Clock } from '../std/std.ts'
import type { Claimed, Store } from '../store/store.ts'

export interface SpentOptions {
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Pick<Store, 'read'>
  readonly clock: Clock
}

interface Spending {
  /** When it was first seen in hand (monotonic), at most a sweep late. */
  readonly sinceMs: number
  /** In hand before; null while it is read. */
  beforeMs: number | null
}

/** Gives those whose task has been in hand for as long as it may; asked at each sweep. */
export const openSpent = ({
  tasks,
  store,
  clock,
}: SpentOptions): ((held: readonly Claimed[]) => readonly Claimed[]) => {
  const known = new Map<string, Spending>()
  const isBounded = Object.values(tasks).some(({ workMs }) => workMs !== undefined)
  const begin = ({ attempt, task, fence }: Claimed): Spending => {
    const spending: Spending = { sinceMs: clock.monoMs(), beforeMs: fence > 1 ? null : 0 }
    known.set(attempt, spending)
    if (fence > 1)
      store.read.spentMs(task).then(
        (ms) => {
          spending.beforeMs = ms
        },
        // Not read: asked again at the next sweep.
        () => known.delete(attempt),
      )
    return spending
  }
  return (held) => {
    if (!isBounded) return []
    const bounded = held.filter(({ type }) => tasks[type]?.workMs !== undefined)
    const inHand = new Set(bounded.map(({ attempt }) => attempt))
    for (const attempt of known.keys()) if (!inHand.has(attempt)) known.delete(attempt)
    return bounded.filter((one) => {
      const { sinceMs, beforeMs } = known.get(one.attempt) ?? begin(one)
      return beforeMs !== null && beforeMs + clock.monoMs() - sinceMs >= tasks[one.type]!.workMs!
    })
  }
}
