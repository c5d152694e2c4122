/** Front door of the gate link. */
export type { GateLink, GateLinkEvents } from './port.ts'
export type { Call, CallOutcome, Grant, GrantedRequest } from '../wire/wire.ts'
