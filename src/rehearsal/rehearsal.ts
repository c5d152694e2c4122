/**
 * Front door of rehearsals, exported as `swarmsitter/rehearsal`: providers that behave like the real ones, with faults
 * on request.
 */
export { faultNames, type FaultName, type FaultShares } from './faults.ts'
export { lineKinds, type Line, type LineKind } from './log.ts'
export { startRehearsal, type RehearsalOptions, type RunningRehearsal } from './start.ts'
