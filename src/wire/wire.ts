/**
 * Front door of wire: the words between sitter and agents (agent.ts), between sitter and gate (link.ts), and how they
 * are framed.
 */
export type * from './agent.ts'
export { bounds, failKinds, protocolVersion } from './agent.ts'
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
  checkStateGet,
  checkStatePut,
  checkTaskAdd,
  cutBytes,
  type Checked,
} from './check.ts'
export { lineReader, toLine, type LineBounds, type LineEvents } from './lines.ts'
export type * from './link.ts'
export { openSealed, sealTo } from './seal.ts'
