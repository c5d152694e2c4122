/** What gate.db offers, gathered for the store's front door. */
export { openGateBook, type GateBook } from './book.ts'
export type { Resealed } from './head.ts'
export { lockGate, type GateLock } from './lock.ts'
export type {
  CallCount,
  CallEnd,
  CallRow,
  CallSpent,
  CostsAsk,
  CostsRead,
  CostSum,
  LimitRow,
  MachineRow,
  NewCall,
  Note,
  NoteRow,
  Renewal,
  SecretRow,
  SecretState,
  SpentIn,
  SpentSum,
} from './rows.ts'
