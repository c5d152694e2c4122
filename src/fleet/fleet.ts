/** Front door of the fleet. */
export type * from './port.ts'
