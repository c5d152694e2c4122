/** Front door of configuration. */
export type * from './types.ts'
