/**
 * Makes commits durable beside the loop. A COMMIT (WAL, synchronous=NORMAL) has only written its frames; the flush of
 * the write-ahead log runs in a thread of libuv, and who waits for the commit is answered when it is done. So a slow
 * disk makes answers late and never the loop, and the commits that are made meanwhile share the next flush.
 *
 *   commit ─▶ waits ─▶ is being flushed (all that waited, with one fsync) ─▶ answered
 *                            └── fails ──▶ over: nobody knows what is on disk
 *
 * What somebody read of a commit that is not durable yet must not get out before it is: `whenDurable`.
 *
 * What stays with SQLite (wal.c, 3.53): in NORMAL it flushes the log before a checkpoint copies anything of it into the
 * database file, flushes that file before the log may begin anew, and flushes the header of a log that begins (the
 * first time with the directory it is in) before it writes a frame behind it. So a power cut leaves a whole file that
 * holds everything up to some commit at or behind the last one that was answered.
 */
import { closeSync, fdatasync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

export interface Waiter {
  readonly done: () => void
  readonly lost: (cause: Error) => void
}

/** The write-ahead log lies beside its database. No lock is ever taken on it, so it may be opened and closed freely. */
const logOf = (database: string): string => `${database}-wal`

const flushed = (path: string): void => {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** What another connection has committed is durable when this returns. No log: everything is in the database file. */
export const flushLog = (database: string): void => {
  try {
    flushed(logOf(database))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

export class Flush {
  readonly #file: number
  readonly #failed: (cause: Error) => void
  #waiting: Waiter[] = []
  /** Those of the flush under way. */
  #flushing: Waiter[] | undefined
  #over: Error | undefined
  #closing = false

  /**
   * `database` has been read from, so that its log is there; it stays the same file until the database is closed.
   * `failed` is called once, and has to call `fail`. @throws what the disk throws: an earlier life may have left a
   * commit that was never flushed, so nothing is read before it is.
   */
  constructor(database: string, failed: (cause: Error) => void) {
    this.#failed = failed
    this.#file = openSync(logOf(database), 'r')
    fsyncSync(this.#file)
    flushed(dirname(database))
  }

  /** After a COMMIT: `done` when it is durable, in the order of commits. */
  committed(waiter: Waiter): void {
    this.#waiting.push(waiter)
    this.#begin()
  }

  /** `done` when everything that is committed now is durable: at once when it is. */
  whenDurable(waiter: Waiter): void {
    if (this.#over) return waiter.lost(this.#over)
    const last = this.#waiting.length > 0 ? this.#waiting : this.#flushing
    if (last) last.push(waiter)
    else waiter.done()
  }

  /** Nothing is trusted any more: who waits is told why, and who asks later too. */
  fail(cause: Error): void {
    if (this.#over) return
    this.#over = cause
    const all = [...(this.#flushing ?? []), ...this.#waiting]
    this.#waiting = []
    if (this.#flushing) this.#flushing = []
    for (const waiter of all) waiter.lost(cause)
  }

  /** A flush that is still under way closes the file when it comes back. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    if (!this.#flushing) closeSync(this.#file)
  }

  #begin(): void {
    if (this.#flushing || this.#waiting.length === 0) return
    this.#flushing = this.#waiting
    this.#waiting = []
    fdatasync(this.#file, (error) => {
      const answered = this.#flushing!
      if (error && !this.#over) this.#failed(error)
      this.#flushing = undefined
      if (this.#closing) closeSync(this.#file)
      if (this.#over) return
      this.#begin()
      for (const waiter of answered) waiter.done()
    })
  }
}
