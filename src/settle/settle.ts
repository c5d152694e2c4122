/** Front door of settling. */
export type * from './port.ts'
export type { SettleOptions } from './options.ts'
export { openSettle } from './room.ts'
export { checkBatch } from './batch.ts'
