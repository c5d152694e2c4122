/**
 * Front door of the record. Writing is by commands: a caller's list is atomic, lists of one turn share one commit (and
 * one fsync), and one caller's refusal never undoes another's.
 */
export type { Committed, Store } from './port.ts'
export type { Command, CommandKind, CommandOf, ResultsOf, ValueOf } from './commands/commands.ts'
export type * from './commands/access.ts'
export type * from './commands/fleet.ts'
export type * from './commands/incidents.ts'
export type * from './commands/modes.ts'
export type * from './commands/money.ts'
export type * from './commands/record.ts'
export type { Defined, Refusal, Result } from './commands/result.ts'
export type * from './commands/state.ts'
export type * from './commands/work.ts'
export type * from './incident-queries.ts'
export type { Page, PageAsk } from './page.ts'
export type * from './queries.ts'
export { chainStart, followChain, type ChainFault } from './chain.ts'
export { outlast, patiently } from './patiently.ts'
export { lookIntoPostgres } from './postgres/copy.ts'
export { openPostgresStore, type PostgresAsk } from './postgres/postgres.ts'
export { openSqliteStore } from './sqlite/sqlite.ts'
export { copyDatabase, type CopiedFile } from './sqlite/backup.ts'
export { openRecordCopy, type RecordCopy } from './sqlite/copy.ts'
export {
  openGateBook,
  type CallCount,
  type CallEnd,
  type CallRow,
  type CallSpent,
  type CostsAsk,
  type CostsRead,
  type CostSum,
  type GateBook,
  type LimitRow,
  type NewCall,
  type MachineRow,
  type Note,
  type NoteRow,
  type Renewal,
  type Resealed,
  type SecretRow,
  type SecretState,
  type SpentIn,
  type SpentSum,
} from './gate/gate.ts'
