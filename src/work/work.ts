/** Front door of work. */
export type * from './port.ts'
export type { WorkOptions } from './options.ts'
export { openEarly, type Early } from './early.ts'
export { openWork } from './room.ts'
