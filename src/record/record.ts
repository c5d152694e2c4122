/**
 * Front door of the record: proofs (the audit chain is checked from its first entry, live or in a copy of the file),
 * the log's files, and the figures that are read from the record.
 */
export { isRole, roles, type Role } from './access/roles.ts'
export { openTokens, operatorName, type LivingToken, type TokenAsk, type Tokens } from './access/tokens.ts'
export { openAlerts, type Alerts } from './alerts/alerts.ts'
export type { Condition } from './alerts/decide.ts'
export type { Target } from './alerts/deliver.ts'
export type { Notice } from './alerts/notice.ts'
export { lookAtAuditEnd, lookAtServersAuditEnd } from './audit/tail.ts'
export { searchAudit, type AuditFilter } from './audit/search.ts'
export { verifyAudit, verifyRecordFile, type Anchor, type AuditVerdict } from './audit/verify.ts'
export { backup, type Backup } from './backup/backup.ts'
export { levelName, lineText, logLevels, type LogLevel, type LogLine } from './log/line.ts'
export {
  lastLines,
  linesAfter,
  parsePlace,
  placeSince,
  type LogAsk,
  type LogBudget,
  type LogPage,
  type LogPlace,
} from './log/reader.ts'
export { openLogWriter, type LogWriter } from './log/writer.ts'
export { bounded, counter, gauge, histogram, metricsText, summary, type Family } from './metrics/family.ts'
export { recordFamilies } from './metrics/from-record.ts'
export { openLoopLag, type LoopLag } from './metrics/lag.ts'
