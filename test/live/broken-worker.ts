/** A release that does not start, which only its cell can tell. */
if (process.env['SITTER_CELL'] !== undefined) throw new Error('this release is broken')
export { default } from './worker.ts'
