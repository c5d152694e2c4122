/**
 * One writer, one commit (and one fsync) per event-loop turn: whatever was asked for while the loop turned goes into
 * the next commit. A write that throws rolls back its turn, and everybody of that turn learns that nothing was written.
 * A failed COMMIT is another matter: its outcome is unknown, so the book is lost and the process must stop and read
 * again.
 */
import type { DatabaseSync } from 'node:sqlite'
import { failure } from '../../std/std.ts'
import { isFull } from '../sqlite/space.ts'

interface Write {
  readonly run: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (cause: unknown) => void
  readonly last: boolean
  value?: unknown
}

export interface Turn {
  /** Which of its commits is being made, or was made last. */
  number(): number
  /**
   * Resolves after the commit is durable. Rejects with `journal-failed` (nothing written) or `record-unknown` (nobody
   * knows).
   */
  write<Value>(run: () => Value): Promise<Value>
  /** The same, after all else that is written in this turn; it is the first to learn what became of it. */
  writeLast<Value>(run: () => Value): Promise<Value>
  /** Called inside every transaction, just before its COMMIT. */
  beforeCommit(also: () => void): void
  /** Called after each commit that is durable, before anybody is told of it; also after the one of `close`. */
  afterCommit(also: () => void): void
  onLost(listener: (cause: Error) => void): void
  /** Commits what is pending and refuses what comes later. */
  close(): void
}

/** What is to be last is written last, and told first. */
const ordered = (writes: readonly Write[]): { inOrder: readonly Write[]; toTell: readonly Write[] } => {
  if (!writes.some(({ last }) => last)) return { inOrder: writes, toTell: writes }
  const inOrder = writes.toSorted((one, other) => Number(one.last) - Number(other.last))
  return { inOrder, toTell: inOrder.toReversed() }
}

const rejectAll = (writes: readonly Write[], cause: unknown): void => {
  for (const write of writes) write.reject(cause)
}

export const openTurn = (db: DatabaseSync): Turn => {
  let pending: Write[] = []
  let scheduled = false
  let closed = false
  let lost: Error | undefined
  let number = 0
  const extras: (() => void)[] = []
  const followers: (() => void)[] = []
  const listeners: ((cause: Error) => void)[] = []

  const rollBack = (writes: readonly Write[], cause: unknown): void => {
    // A full disk has rolled back by itself already; a second ROLLBACK would throw and hide the cause.
    if (db.isTransaction) db.exec('ROLLBACK')
    const told = failure('journal-failed', 'the gate could not write its journal: nothing written or sent', { cause })
    rejectAll(writes, told)
  }

  const lose = (writes: readonly Write[], cause: unknown): void => {
    lost = failure('record-unknown', 'a COMMIT of gate.db failed: whether it is durable is not known', { cause })
    rejectAll(writes, lost)
    for (const listener of listeners) listener(lost)
  }

  const flush = (): void => {
    scheduled = false
    number += 1
    const writes = pending
    const { inOrder, toTell } = ordered(writes)
    pending = []
    if (writes.length === 0) return
    if (lost) return rejectAll(writes, lost)
    try {
      db.exec('BEGIN IMMEDIATE')
      for (const write of inOrder) write.value = write.run()
      for (const also of extras) also()
    } catch (cause) {
      return rollBack(toTell, cause)
    }
    try {
      db.exec('COMMIT')
    } catch (cause) {
      // A full disk is no lost book: the frame that would have made the turn valid was never whole.
      return isFull(cause) ? rollBack(toTell, cause) : lose(toTell, cause)
    }
    for (const also of followers) also()
    for (const write of toTell) write.resolve(write.value)
  }
  const write = <Value>(run: () => Value, last: boolean): Promise<Value> =>
    new Promise<Value>((resolve, reject) => {
      if (closed) return reject(failure('record-closed', 'gate.db is closed'))
      pending.push({ run, resolve: resolve as (value: unknown) => void, reject, last })
      if (scheduled) return
      scheduled = true
      setImmediate(flush)
    })

  return {
    number: () => number,
    write: (run) => write(run, false),
    writeLast: (run) => write(run, true),
    beforeCommit: (also) => {
      extras.push(also)
    },
    afterCommit: (also) => {
      followers.push(also)
    },
    onLost: (listener) => {
      listeners.push(listener)
    },
    close: () => {
      closed = true
      flush()
    },
  }
}
