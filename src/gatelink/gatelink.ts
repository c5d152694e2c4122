/** Front door of the gate link. */
export { openGateLink, type GateLinkOptions } from './link.ts'
export type { GateLink, GateLinkEvents } from './port.ts'
