/**
 * The nearest deadline of a task that no agent has in hand, read again only after a commit: a quiet second costs no
 * read.
 */
import type { Store } from '../store/store.ts'

/** Gives its wall time, Infinity when there is none. */
export const openNearest = (store: Pick<Store, 'read' | 'onCommit'>): (() => Promise<number>) => {
  let known: number | undefined
  let commits = 0
  store.onCommit(() => {
    commits += 1
    known = undefined
  })
  return async () => {
    if (known !== undefined) return known
    const before = commits
    const nextMs = (await store.read.nextTaskDeadlineMs()) ?? Number.POSITIVE_INFINITY
    // What was committed while it was read may be nearer.
    if (commits === before) known = nextMs
    return nextMs
  }
}
