/** Front door of settling. */
export type * from './port.ts'
