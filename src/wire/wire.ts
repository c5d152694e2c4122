/**
 * Front door of wire: the words between sitter and agents (agent.ts), between sitter and gate (link.ts), and how they
 * are framed. Sealing has a door of its own (seal.ts): it loads cryptography, and this one is loaded by every host of
 * agents.
 */
export type * from './agent.ts'
export { bounds, failKinds, protocolVersion, sitterFrameBounds } from './agent.ts'
export {
  checkBeat,
  checkBroken,
  checkDone,
  checkFail,
  checkHello,
  checkLockFree,
  checkLockRenew,
  checkLockTake,
  checkLog,
  checkPark,
  checkSettle,
  checkSettlement,
  checkStateGet,
  checkStatePut,
  checkTaskAdd,
  checkWoken,
  cutBytes,
  type Checked,
} from './check.ts'
export { doneLine, lineReader, runLine, takenLine, toLine, type LineBounds, type LineEvents } from './lines.ts'
export type * from './costs.ts'
export type * from './link.ts'
export type * from './standing.ts'
export type * from './vault-views.ts'
export type * from './status.ts'
