/** Front door of work. */
export type * from './port.ts'
export { openWork, type WorkOptions } from './room.ts'
