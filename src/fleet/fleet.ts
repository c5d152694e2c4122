/** Front door of the fleet. */
export type { FleetLine, FleetOptions } from './live.ts'
export { openFleet } from './open.ts'
export type * from './port.ts'
export { troublesOf } from './troubles.ts'
export { readRequest, type AgentRequest } from './requests.ts'
