/** The port that every engine of the record fills. */
import type { Command, ResultsOf } from './commands/commands.ts'
import type { Queries } from './queries.ts'

/** What a commit contained that others may want to know; given after the commit, in order. */
export interface Committed {
  readonly command: Command
  readonly value: unknown
}

export interface Store {
  /**
   * Resolves after the commit is durable. Rejects with Failure `record-unknown` when the commit's outcome is not known:
   * the caller must not tell anybody that it failed; the process stops and reads again.
   */
  transact<const List extends readonly Command[]>(commands: List): Promise<ResultsOf<List>>
  /** Gives only what is durable: an answer waits for the commits that it may have seen. */
  readonly read: Queries
  /** Tells committed commands, in commit order; a listener must not throw. Returns how to stop listening. */
  onCommit(listener: (committed: readonly Committed[]) => void): () => void
  /** Called once when the record can no longer be trusted (a COMMIT or its flush failed): the process must
   * stop. */
  onLost(listener: (cause: Error) => void): void
  /**
   * Since when (wall ms) every write is refused with `disk-full` because the disk is full, or null. Nothing of a
   * refused list was written; reads go on; it ends by itself when there is room.
   */
  readonly fullSinceMs: number | null
  /** Share of the bound of lists that wait for their commit; absent where nobody counts them. */
  readonly load?: number
  /** Resolves when writes are taken: at once, unless the disk is full. Resolves too when the record is closed. */
  writable(): Promise<void>
  /** Called when the disk is found full (since when), and when it takes writes again (null). */
  onFull(listener: (sinceMs: number | null) => void): void
  close(): Promise<void>
}
