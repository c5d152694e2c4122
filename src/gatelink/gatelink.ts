/** Front door of the gate link. */
export type { GateLink, GateLinkEvents } from './port.ts'
