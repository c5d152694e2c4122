/** Front door of the fleet. */
export { usualBounds } from './admission/bounds.ts'
export { shortOf } from './admission/decide.ts'
export type { FleetLine, FleetOptions, LastLife } from './live.ts'
export { openFleet } from './open.ts'
export type * from './port.ts'
export { readSurge, type Rolling, type Surge } from './rolling/state.ts'
export { troublesOf } from './troubles.ts'
export { readRequest, type AgentRequest } from './requests.ts'
