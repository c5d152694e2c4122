/** Front door of cells: where agents live. */
export type { Cell, CellEnd, CellEvents, CellKind, CellPlan } from './port.ts'
