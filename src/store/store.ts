/**
 * Front door of the record. Writing is by commands: a caller's list is atomic, lists of one turn share one commit (and one fsync),
 * and one caller's refusal never undoes another's.
 */
import type { Command, ResultsOf } from './commands/commands.ts'
import type { Queries } from './queries.ts'

/** What a commit contained that others may want to know; given after the commit, in order. */
export interface Committed { readonly command: Command; readonly value: unknown }

export interface Store {
  /**
   * Resolves after the commit is durable. Rejects with Failure `record-unknown` when the commit's outcome is not known: the caller
   * must not tell anybody that it failed; the process stops and reads again.
   */
  transact<const List extends readonly Command[]>(commands: List): Promise<ResultsOf<List>>
  readonly read: Queries
  /** Tells committed commands, in commit order; a listener must not throw. Returns how to stop listening. */
  onCommit(listener: (committed: readonly Committed[]) => void): () => void
  /** Called once when the record can no longer be trusted (a COMMIT failed): the process must stop. */
  onLost(listener: (cause: Error) => void): void
  close(): Promise<void>
}

export type { Command, CommandKind, CommandOf, ResultsOf, ValueOf } from './commands/commands.ts'
export type * from './commands/fleet.ts'
export type * from './commands/money.ts'
export type * from './commands/record.ts'
export type { Defined, Refusal, Result } from './commands/result.ts'
export type * from './commands/work.ts'
export type * from './queries.ts'
export { chainStart, followChain, type ChainFault } from './chain.ts'
export { openSqliteStore } from './sqlite/sqlite.ts'
export { openRecordCopy, type RecordCopy } from './sqlite/copy.ts'
export { lockGate, openGateBook, type CallCount, type CallEnd, type CallRow, type GateBook, type GateLock, type LimitRow, type NewCall, type SecretRow } from './gate/gate.ts'
