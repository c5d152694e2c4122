/** All commands of the record's port. A list given to `transact` commits whole or not at all. */
import type { AccessCommand } from './access.ts'
import type { FleetCommand } from './fleet.ts'
import type { IncidentCommand } from './incidents.ts'
import type { ModeCommand } from './modes.ts'
import type { MoneyCommand } from './money.ts'
import type { RecordCommand } from './record.ts'
import type { Result } from './result.ts'
import type { StateCommand } from './state.ts'
import type { WorkCommand } from './work.ts'

export type Command =
  | FleetCommand
  | WorkCommand
  | StateCommand
  | ModeCommand
  | MoneyCommand
  | RecordCommand
  | AccessCommand
  | IncidentCommand
export type CommandKind = Command['kind']
export type CommandOf<Kind extends CommandKind> = Extract<Command, { kind: Kind }>
/** By kind, for the type of a literal has lost what its command was defined with. */
export type ValueOf<C extends Command> = Exclude<CommandOf<C['kind']>['~value'], undefined>
export type ResultsOf<List extends readonly Command[]> = {
  readonly [Index in keyof List]: Result<ValueOf<List[Index]>>
}
