/** Front door of cells: where agents live. */
export { cellKinds } from './kinds.ts'
export { poolCells, type PoolPorts } from './pool.ts'
export type {
  Cell,
  CellEnd,
  CellEvents,
  CellKind,
  CellPlan,
  HousedCell,
  Standby,
  StandbyPlan,
  Witness,
} from './port.ts'
export { checkAgent, type Check, type CheckAsk, type CheckPorts } from './process/check.ts'
export { processBoundary, processCells, type ProcessPorts } from './process/process.ts'
export { sweepCells, type LeftCell, type Swept } from './sweep.ts'
