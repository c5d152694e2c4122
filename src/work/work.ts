/** Front door of work. */
export type * from './port.ts'
