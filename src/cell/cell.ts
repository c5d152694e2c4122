/** Front door of cells: where agents live. */
export { poolCells, type PoolPorts } from './pool.ts'
export { probeMachine, type Ability, type AbilityName, type Machine } from './machine.ts'
export { hostWalls, programCells, programPath, type ProgramCellsPorts } from './programs.ts'
import type { ModuleFault } from './vm/check.ts'
export type { ModuleFault }
export type { Hidden } from './sandbox/arguments.ts'
export type {
  Cell,
  CellEnd,
  CellEvents,
  CellKind,
  CellPlan,
  EndStep,
  HousedCell,
  Share,
  Sleeper,
  Standby,
  StandbyPlan,
  Usage,
  Witness,
} from './port.ts'
export { checkAgent, type Check, type CheckAsk, type CheckPorts } from './process/check.ts'
export { boundaryOf, housingOf, type Housing } from './housing.ts'
export { openProbe, type AskProbe, type ProbeAsk } from './probe.ts'
export { openCells, readMachine, type Cells, type CellsAsk } from './open.ts'
export { processCells, type ProcessPorts } from './process/process.ts'
export { openBeds, type Beds, type BedsAsk } from './vm/beds.ts'
export { sweepCells, sweepDirectories, type LeftCell, type Swept } from './sweep.ts'

/** Why a module cannot run in a `vm` cell, or null. The engine is loaded when it is first asked for. */
export const vmModuleFault = async (module: string): Promise<ModuleFault | null> => {
  const check = await import('./vm/check.ts')
  return check.vmModuleFault(module)
}
