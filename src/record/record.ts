/**
 * Front door of the record's proofs: the audit chain is checked from its first entry, live or in a copy of the file.
 */
export { verifyAudit, verifyRecordFile, type AuditVerdict } from './audit/verify.ts'
