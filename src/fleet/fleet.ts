/** Front door of the fleet. */
export type * from './port.ts'
export { readRequest, type AgentRequest } from './requests.ts'
