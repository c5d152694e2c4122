/** Front door of settling. */
export type * from './port.ts'
export { openSettle, type SettleOptions } from './room.ts'
export { byStateOf } from './summary.ts'
