/**
 * One writer at a time, one commit (and one fsync) for whatever was asked for meanwhile. A write that throws rolls back
 * its turn, and everybody of that turn learns that nothing was written. A failed COMMIT is another matter: its outcome
 * is unknown, so the book is lost and the process must stop and read again.
 *
 * What each call writes (hot.ts) goes to a thread, where there is one: the loop serves others while it is committed,
 * and what comes meanwhile shares the next commit. Everything else is written here, between two commits of the thread.
 *
 *   asked ─▶ waits for the end of the turn, and of the commit under way ─▶ is committed ─▶ told
 */
import type { DatabaseSync } from 'node:sqlite'
import { failure, type Cancel, type Clock } from '../../std/std.ts'
import { commit, type Committed } from './commit.ts'
import { openHot, type Hot, type HotValue } from './hot.ts'
import type { LimitRow } from './rows.ts'
import { startThread, type Thread } from './thread.ts'

interface Asked {
  readonly resolve: (value: unknown) => void
  readonly reject: (cause: unknown) => void
}
interface Write extends Asked {
  readonly run: () => unknown
  readonly last: boolean
  value?: unknown
}
interface HotWrite extends Asked {
  readonly hot: Hot
}

export interface Turn {
  /**
   * Resolves after the commit is durable. Rejects with `journal-failed` (nothing written) or `record-unknown` (nobody
   * knows).
   */
  write<Value>(run: () => Value): Promise<Value>
  /** The same, after all else that is written in this turn; it is the first to learn what became of it. */
  writeLast<Value>(run: () => Value): Promise<Value>
  /** The same, by the thread where there is one. What is not urgent waits for what is, but not for long. */
  hot(hot: Hot, isUrgent?: boolean): Promise<HotValue>
  /** The newest commit wrote nothing, and says so: its disk is full, for one. */
  refuses(): boolean
  /** Resolves when all that was asked for so far is written, or is not to be. */
  settled(): Promise<void>
  /** Rows that are saved with whatever is written next. */
  saveWith(rows: () => readonly LimitRow[]): void
  /** Called inside every transaction of what `write` was given, just before its COMMIT. */
  beforeCommit(also: () => void): void
  /** Called after each such commit that is durable, before anybody is told of it; also after the one of `close`. */
  afterCommit(also: () => void): void
  onLost(listener: (cause: Error) => void): void
  /** Resolves when a thread writes; rejects when none can be started, and then all is written here. */
  begin(path: string, clock: Clock): Promise<void>
  /** Commits what is pending and refuses what comes later; `then` is called at once where there is no thread. */
  close(then: () => void): Promise<void>
}

/**
 * How long an end that nobody waits for may wait for a beginning with which it is written: at one call after another,
 * half of all commits. A gate that is killed meanwhile has lost the ends of so many ms.
 */
const lazyMs = 5
/**
 * So many do not wait for the rest of the turn: they are committed while the loop begins the others. With 64 calls in
 * flight it is 5 % more; 16 and 32 gave less.
 */
const enough = 48

/** What is to be last is written last, and told first. */
const ordered = (writes: readonly Write[]): { inOrder: readonly Write[]; toTell: readonly Write[] } => {
  if (!writes.some(({ last }) => last)) return { inOrder: writes, toTell: writes }
  const inOrder = writes.toSorted((one, other) => Number(one.last) - Number(other.last))
  return { inOrder, toTell: inOrder.toReversed() }
}

class CommitTurn implements Turn {
  readonly #db: DatabaseSync
  readonly #writer: ReturnType<typeof openHot>
  #pending: Write[] = []
  #hots: HotWrite[] = []
  #scheduled = false
  #closed = false
  #lost: Error | undefined
  #refuses = false
  #rows: () => readonly LimitRow[] = () => []
  /** The newest of each name that no commit has made durable: whoever gave them does not give them again. */
  readonly #unsaved = new Map<string, LimitRow>()
  readonly #extras: (() => void)[] = []
  readonly #followers: (() => void)[] = []
  readonly #listeners: ((cause: Error) => void)[] = []
  #thread: { readonly thread: Thread; readonly clock: Clock } | undefined
  /** What the thread commits now. */
  #under: readonly HotWrite[] | undefined
  #whenBack: (() => void) | undefined
  #cancelLazy: Cancel | undefined

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#writer = openHot(db)
  }

  write<Value>(run: () => Value): Promise<Value> {
    return this.#ask<Value>((asked) => this.#pending.push({ run, last: false, ...asked }))
  }

  writeLast<Value>(run: () => Value): Promise<Value> {
    return this.#ask<Value>((asked) => this.#pending.push({ run, last: true, ...asked }))
  }

  hot(hot: Hot, isUrgent = true): Promise<HotValue> {
    return this.#ask<HotValue>((asked) => this.#hots.push({ hot, ...asked }), isUrgent)
  }

  refuses(): boolean {
    return this.#refuses
  }

  async settled(): Promise<void> {
    if (this.#hots.length === 0 && this.#pending.length === 0 && this.#under === undefined) return
    // Something empty that is written after all the others.
    await this.hot({ do: 'ack', journals: [] }).catch(() => null)
  }

  saveWith(rows: () => readonly LimitRow[]): void {
    this.#rows = rows
  }

  beforeCommit(also: () => void): void {
    this.#extras.push(also)
  }

  afterCommit(also: () => void): void {
    this.#followers.push(also)
  }

  onLost(listener: (cause: Error) => void): void {
    this.#listeners.push(listener)
  }

  async begin(path: string, clock: Clock): Promise<void> {
    const thread = await startThread(path, (cause) => this.#lose(cause, []))
    if (this.#closed || this.#lost !== undefined) return thread.end()
    this.#thread = { thread, clock }
  }

  async close(then: () => void): Promise<void> {
    this.#closed = true
    if (this.#under !== undefined)
      await new Promise<void>((resolve) => {
        this.#whenBack = resolve
      })
    this.#cancelLazy?.()
    const thread = this.#thread?.thread
    this.#thread = undefined
    this.#flush()
    // The thread's connection ends first: who closes last brings the log into the file.
    if (thread !== undefined) await thread.end()
    then()
  }

  #ask<Value>(push: (asked: Asked) => void, isUrgent = true): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (this.#closed) return reject(failure('record-closed', 'gate.db is closed'))
      push({ resolve: resolve as (value: unknown) => void, reject })
      if (this.#hasEnough) this.#flush()
      else if (isUrgent || this.#thread === undefined) this.#schedule()
      else this.#cancelLazy ??= this.#thread.clock.timer(lazyMs, () => this.#schedule())
    })
  }

  /** What is written here waits for the end of the turn: who asked is then told before anybody else goes on. */
  get #hasEnough(): boolean {
    const isFree = this.#thread !== undefined && this.#under === undefined
    return isFree && this.#hots.length >= enough && this.#pending.length === 0
  }

  #schedule(): void {
    if (this.#scheduled || this.#under !== undefined) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    // Whatever is asked for while a commit is under way is written when it is back.
    if (this.#under !== undefined) return
    this.#cancelLazy?.()
    this.#cancelLazy = undefined
    const [writes, hots] = [this.#pending, this.#hots]
    this.#pending = []
    this.#hots = []
    if (this.#thread === undefined) return this.#here(writes, hots)
    this.#here(writes, [])
    if (hots.length > 0) this.#there(this.#thread.thread, hots)
  }

  #here(writes: readonly Write[], hots: readonly HotWrite[]): void {
    if (writes.length + hots.length === 0) return
    const { inOrder, toTell } = ordered(writes)
    if (this.#lost !== undefined) return this.#reject([...toTell, ...hots], this.#lost)
    let values: readonly HotValue[] = []
    const committed = commit(this.#db, () => {
      this.#writer.forget()
      values = this.#writer.write(hots.map(({ hot }) => hot))
      for (const write of inOrder) write.value = write.run()
      this.#writer.finish(this.#toSave())
      for (const also of this.#extras) also()
    })
    if (committed.as !== 'durable') return this.#fail(committed, [...toTell, ...hots])
    this.#refuses = false
    this.#unsaved.clear()
    for (const also of this.#followers) also()
    for (const write of toTell) write.resolve(write.value)
    for (const [index, { resolve }] of hots.entries()) resolve(values[index])
  }

  #there(thread: Thread, hots: readonly HotWrite[]): void {
    if (this.#lost !== undefined) return this.#reject(hots, this.#lost)
    this.#under = hots
    const batch = { writes: hots.map(({ hot }) => hot), limits: this.#toSave() }
    thread.write(batch, (committed, values) => {
      this.#under = undefined
      if (committed.as === 'durable') {
        this.#refuses = false
        this.#unsaved.clear()
        for (const [index, { resolve }] of hots.entries()) resolve(values[index])
      } else this.#fail(committed, hots)
      if (this.#pending.length + this.#hots.length > 0) this.#schedule()
      this.#whenBack?.()
    })
  }

  #toSave(): readonly LimitRow[] {
    for (const row of this.#rows()) this.#unsaved.set(row.name, row)
    return [...this.#unsaved.values()]
  }

  #fail(committed: Exclude<Committed, { as: 'durable' }>, writes: readonly Asked[]): void {
    const { as, cause } = committed
    if (as === 'unknown') return this.#lose(cause, writes)
    this.#refuses = true
    this.#reject(
      writes,
      failure('journal-failed', 'the gate could not write its journal: nothing written or sent', { cause }),
    )
  }

  #lose(cause: unknown, writes: readonly Asked[]): void {
    const lost = failure('record-unknown', 'a COMMIT of gate.db failed: whether it is durable is not known', { cause })
    const isFirst = this.#lost === undefined
    this.#lost ??= lost
    this.#reject([...writes, ...(this.#under ?? [])], lost)
    this.#under = undefined
    this.#whenBack?.()
    if (isFirst) for (const listener of this.#listeners) listener(lost)
  }

  #reject(writes: readonly Asked[], cause: unknown): void {
    for (const write of writes) write.reject(cause)
  }
}

export const openTurn = (db: DatabaseSync): Turn => new CommitTurn(db)
