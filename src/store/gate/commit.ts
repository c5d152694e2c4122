/**
 * One transaction of gate.db, and what became of it. What throws before its COMMIT has undone all of it. A failed
 * COMMIT is another matter: nobody knows whether it is durable.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isFull } from '../sqlite/space.ts'

export type Committed = { readonly as: 'durable' } | { readonly as: 'undone' | 'unknown'; readonly cause: unknown }

export const commit = (db: DatabaseSync, work: () => void): Committed => {
  try {
    db.exec('BEGIN IMMEDIATE')
    work()
  } catch (cause) {
    // A full disk has rolled back by itself already; a second ROLLBACK would throw and hide the cause.
    if (db.isTransaction) db.exec('ROLLBACK')
    return { as: 'undone', cause }
  }
  try {
    db.exec('COMMIT')
    return { as: 'durable' }
  } catch (cause) {
    // A full disk is no lost book: the frame that would have made the turn valid was never whole.
    if (!isFull(cause)) return { as: 'unknown', cause }
    if (db.isTransaction) db.exec('ROLLBACK')
    return { as: 'undone', cause }
  }
}
