/** Front door of cells: where agents live. */
export { poolCells, type PoolPorts } from './pool.ts'
export type { Cell, CellEnd, CellEvents, CellKind, CellPlan } from './port.ts'
export { sweepCells, type LeftCell, type Swept } from './sweep.ts'
