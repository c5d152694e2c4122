/** The same agents from another file: what a release of their code is to the sitter. */
export { default } from './worker.ts'
