/**
 * Makes commits durable. A COMMIT (WAL, synchronous=NORMAL) has only written its frames; who waits for it is answered
 * when the write-ahead log has been flushed. While the disk is quick that is done at once. While it is slow it is done
 * beside the loop, in threads of libuv: answers come late and the loop goes on, and the commits that are made meanwhile
 * share the next flush.
 *
 *   commit ─▶ waits ─▶ is being flushed, with all that waited ─▶ answered, in the order of commits
 *                            └── fails ──▶ over: nobody knows what is on disk
 *
 * What somebody read of a commit that is not durable yet must not get out before it is: `whenDurable`.
 *
 * What stays with SQLite (wal.c, 3.53): in NORMAL it flushes the log before a checkpoint copies anything of it into the
 * database file, flushes that file before the log may begin anew, and flushes the header of a log that begins (the
 * first time with the directory it is in) before it writes a frame behind it. So a power cut leaves a whole file that
 * holds everything up to some commit at or behind the last one that was answered.
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * A flush that took less lets the next one be made at once: a thread and back costs 70 µs on a quiet machine and some
 * smaller commits (tasks/s, two cores: ×0.9 where a flush takes 0.12 ms, ×1.2 where it takes 2 ms).
 */
export const usuallyQuickMs = 1
/** Flushes beside the loop at a time: a commit need not wait for the end of one that began before it (×1.1). */
const most = 2

export interface FlushOptions {
  /** 0 = always beside the loop, Infinity = always at once. */
  readonly quickMs: number
  /** Called once, and has to call `fail`. */
  readonly failed: (cause: Error) => void
}

export interface Waiter {
  readonly done: () => void
  readonly lost: (cause: Error) => void
}

interface Under {
  readonly waiters: Waiter[]
  back: boolean
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
  readonly #options: FlushOptions
  /**
   * The log, opened once for each flush that may be under way: the kernel tells an error of writing once to each
   * opening, and of two flushes of one opening the wrong one could hear of it. It stays the same file until the
   * database is closed.
   */
  readonly #free: number[]
  #waiting: Waiter[] = []
  #under: Under[] = []
  #lastMs = 0
  #over: Error | undefined
  #closing = false

  /**
   * `database` has been read from, so that its log is there. @throws what the disk throws: an earlier life may have
   * left a commit that was never flushed, so nothing is told before it is.
   */
  constructor(database: string, options: FlushOptions) {
    this.#options = options
    this.#free = Array.from({ length: most }, () => openSync(logOf(database), 'r'))
    fsyncSync(this.#free[0]!)
    flushed(dirname(database))
  }

  /** After a COMMIT: `done` when it is durable. */
  committed(waiter: Waiter): void {
    if (this.#over) return waiter.lost(this.#over)
    this.#waiting.push(waiter)
    if (this.#under.length === 0 && this.#lastMs < this.#options.quickMs) this.#atOnce()
    else this.#begin()
  }

  /** `done` when everything that is committed now is durable: at once when it is. */
  whenDurable(waiter: Waiter): void {
    if (this.#over) return waiter.lost(this.#over)
    const last = this.#waiting.length > 0 ? this.#waiting : this.#under.at(-1)?.waiters
    if (last) last.push(waiter)
    else waiter.done()
  }

  /** Nothing is trusted any more: who waits is told why, and who asks later too. */
  fail(cause: Error): void {
    if (this.#over) return
    this.#over = cause
    const all = [...this.#under.flatMap(({ waiters }) => waiters.splice(0)), ...this.#waiting.splice(0)]
    for (const waiter of all) waiter.lost(cause)
  }

  close(): void {
    this.#closing = true
    // A flush that is still under way closes its own when it comes back.
    for (const file of this.#free.splice(0)) closeSync(file)
  }

  #atOnce(): void {
    const startedMs = performance.now()
    try {
      fdatasyncSync(this.#free[0]!)
    } catch (error) {
      return this.#options.failed(error as Error)
    }
    this.#lastMs = performance.now() - startedMs
    for (const waiter of this.#waiting.splice(0)) waiter.done()
  }

  #begin(): void {
    if (this.#waiting.length === 0) return
    const file = this.#free.pop()
    if (file === undefined) return
    const one: Under = { waiters: this.#waiting, back: false }
    this.#waiting = []
    this.#under.push(one)
    const startedMs = performance.now()
    fdatasync(file, (error) => {
      if (this.#closing) closeSync(file)
      else this.#free.push(file)
      if (error && !this.#over) this.#options.failed(error)
      if (this.#over) return
      this.#lastMs = performance.now() - startedMs
      one.back = true
      this.#begin()
      while (this.#under[0]?.back) for (const waiter of this.#under.shift()!.waiters) waiter.done()
    })
  }
}
