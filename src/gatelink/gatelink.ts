/** Front door of the gate link. */
export { openGateLink, type GateLinkOptions } from './link.ts'
export { frozenText, openFreeze, type FreezeFile, type FreezeNote, type FreezeSwitch } from './freeze.ts'
export { openUseAudit, type UseAudit } from './use-audit.ts'
export type { GateLink, GateLinkEvents } from './port.ts'
export type {
  BudgetStanding,
  Call,
  CostsTold,
  CostTold,
  CallOutcome,
  GateStatus,
  Grant,
  GrantedRequest,
  Standing,
} from '../wire/wire.ts'
export { sealTo } from '../wire/seal.ts'
