/**
 * The record of a world: the real SQLite engine on a file that outlives every sitter, seen by one sitter through a
 * layer of faults. A list of commands can be kept waiting (a slow disk), be refused because the disk is full, or be
 * committed or not without anybody knowing which. When its sitter dies, what was not committed never is.
 */
import { mkdtempSync, existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../../src/std/std.ts'
import {
  openSqliteStore,
  type Command,
  type Committed,
  type Queries,
  type Result,
  type Store,
} from '../../src/store/store.ts'
import type { WorldProcess } from '../worlds/timeline.ts'

interface Waiting {
  readonly commands: readonly Command[]
  readonly resolve: (results: readonly Result<unknown>[]) => void
  readonly reject: (error: Error) => void
}
const never = <Value>(): Promise<Value> =>
  new Promise(() => {
    /* whoever asked is dead */
  })

/** What the disk does now; changed by the world's faults. */
export interface DiskState {
  fullSinceMs: number | null
  slowMs: number
  /** The next commit is told as unknown: after it was made, or without it. */
  unknown: 'made' | 'not-made' | null
  /** The sitter dies at its next commit: before it, or after it and before anybody is told. */
  deadly: 'before' | 'after' | null
}

/** A folder in memory where there is one; an fsync costs next to nothing there. */
export const newFolder = (): { readonly path: string; remove(): void } => {
  const path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sitter-world-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** One sitter's store. `committed` hears every list that was committed, also when its sitter never does. */
export class WorldStore implements Store {
  readonly read: Queries
  readonly #real: Store
  readonly #owner: WorldProcess
  readonly #disk: DiskState
  readonly #committed: (lists: readonly Committed[]) => void
  #waiting: Waiting[] = []
  #scheduled = false
  #over: Failure | undefined
  readonly #listeners = new Set<(committed: readonly Committed[]) => void>()
  readonly #lost: ((cause: Error) => void)[] = []
  readonly #full: ((sinceMs: number | null) => void)[] = []
  #letGo: (() => void)[] = []

  constructor(path: string, ask: { owner: WorldProcess; disk: DiskState; committed: WorldStore['onCommitted'] }) {
    this.#real = openSqliteStore(path, { quickMs: Infinity })
    this.#owner = ask.owner
    this.#disk = ask.disk
    this.#committed = ask.committed
    this.#real.onCommit((committed) => {
      this.#committed(committed)
      for (const listener of this.#listeners) if (this.#owner.alive) listener(committed)
    })
    this.read = new Proxy({} as Queries, {
      get:
        (_, name: keyof Queries) =>
        (...asked: never[]) =>
          this.#owner.alive ? (this.#real.read[name] as (...asked: never[]) => unknown)(...asked) : never(),
    })
    // Before the owner's own listeners: whatever they still ask for gets no answer.
    this.#owner.onEnd(() => this.#drop())
  }
  declare onCommitted: (lists: readonly Committed[]) => void

  transact: Store['transact'] = (async (commands: readonly Command[]) => {
    if (!this.#owner.alive) return never()
    if (this.#over) throw this.#over
    if (this.#disk.fullSinceMs !== null)
      throw new Failure('disk-full', 'the disk of the record is full: nothing was written', { retryAfterMs: 5_000 })
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commands, resolve: resolve as Waiting['resolve'], reject })
      if (this.#scheduled) return
      this.#scheduled = true
      const turn = (): void => {
        this.#scheduled = false
        this.#turn()
      }
      if (this.#disk.slowMs > 0) this.#owner.clock.timer(this.#disk.slowMs, turn)
      else this.#owner.timeline.soon(this.#owner, turn)
    })
  }) as unknown as Store['transact']

  /** Everything that waits, in one commit of the real engine, which is made at once. */
  #turn(): void {
    const turn = this.#waiting
    this.#waiting = []
    if (turn.length === 0 || this.#over) return
    if (this.#disk.fullSinceMs !== null) {
      for (const list of turn)
        list.reject(new Failure('disk-full', 'the disk of the record is full', { retryAfterMs: 5_000 }))
      return
    }
    const { deadly, unknown } = this.#disk
    this.#disk.deadly = null
    this.#disk.unknown = null
    if (deadly === 'before') return this.#owner.end()
    const told = unknown === null && deadly === null
    if (unknown !== 'not-made') this.#commit(turn, told)
    if (deadly === 'after') return this.#owner.end()
    if (unknown !== null) this.#lose(turn)
  }

  /** The engine gathers a turn by `setImmediate`; here its turn is run at once, so that nothing lies between. */
  #commit(turn: readonly Waiting[], told: boolean): void {
    const own = globalThis.setImmediate
    let run: (() => void) | undefined
    globalThis.setImmediate = ((fire: () => void) => {
      run = fire
    }) as unknown as typeof setImmediate
    try {
      for (const list of turn) {
        const answer = this.#real.transact(list.commands) as Promise<readonly Result<unknown>[]>
        answer.then(told ? list.resolve : () => {}, told ? list.reject : () => {})
      }
    } finally {
      globalThis.setImmediate = own
    }
    if (!told) this.#listeners.clear()
    // Who hears of the commit may gather for this turn as well.
    run?.()
  }

  #lose(turn: readonly Waiting[]): void {
    const cause = new Error('disk I/O error')
    this.#over = new Failure('record-unknown', 'a COMMIT failed: what is on disk is unknown', { cause })
    for (const list of turn) list.reject(this.#over)
    for (const listener of this.#lost) listener(cause)
  }

  #drop(): void {
    this.#waiting = []
    this.#listeners.clear()
    void this.#real.close()
  }

  onCommit(listener: (committed: readonly Committed[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  onLost(listener: (cause: Error) => void): void {
    this.#lost.push(listener)
  }
  get fullSinceMs(): number | null {
    return this.#disk.fullSinceMs
  }
  writable(): Promise<void> {
    return this.#disk.fullSinceMs === null ? Promise.resolve() : new Promise((resolve) => this.#letGo.push(resolve))
  }
  onFull(listener: (sinceMs: number | null) => void): void {
    this.#full.push(listener)
  }
  /** The world changed whether the disk is full. */
  fullChanged(): void {
    for (const listener of this.#full) listener(this.#disk.fullSinceMs)
    if (this.#disk.fullSinceMs === null) for (const resolve of this.#letGo.splice(0)) resolve()
  }
  async close(): Promise<void> {
    await this.#real.close()
  }
}
