/** Front door of wire: the words between sitter and agents (agent.ts), between sitter and gate (link.ts), and how they are framed. */
export type * from './agent.ts'
export { bounds, protocolVersion } from './agent.ts'
export { lineReader, toLine, type LineBounds, type LineEvents } from './lines.ts'
export type * from './link.ts'
