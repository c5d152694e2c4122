/**
 * What the person at this page may do, as the sitter tells it. The page only spares people a refusal: the sitter asks
 * again at every order. Until the answer is there nothing is offered.
 */
import { computed, signal } from '@preact/signals'
import type { SelfAnswer } from '../../src/doors/api.ts'

/** Whatever is not for every role, by its path at the door; a test compares them with the door's own table. */
export const deeds = {
  freeze: 'POST /api/v1/swarm/freeze',
  thaw: 'POST /api/v1/swarm/thaw',
  restart: 'POST /api/v1/agents/:type/:number{[0-9]+}/restart',
  restartType: 'POST /api/v1/agents/:type/restart',
  release: 'POST /api/v1/agents/:type/:number{[0-9]+}/release',
  cancel: 'POST /api/v1/tasks/:id/cancel',
  retry: 'POST /api/v1/tasks/:id/retry',
  redrive: 'POST /api/v1/dead-letters/:id/redrive',
  redriveMatching: 'POST /api/v1/dead-letters:redrive',
  discard: 'POST /api/v1/dead-letters/:id/discard',
  resolve: 'POST /api/v1/settlements/:id/resolve',
  credentials: 'GET /api/v1/credentials',
  setCredential: 'POST /api/v1/credentials',
  auditVerify: 'GET /api/v1/audit/verify',
  auditEntries: 'GET /api/v1/audit/entries',
  exportTasks: 'GET /api/v1/export/tasks',
  exportAttempts: 'GET /api/v1/export/attempts',
  exportSettlements: 'GET /api/v1/export/settlements',
  exportTransfers: 'GET /api/v1/export/transfers',
  exportAudit: 'GET /api/v1/export/audit',
} as const
export type DeedName = keyof typeof deeds

export const me = signal<SelfAnswer | null>(null)

/** Why this person may not, as a sentence; null when they may. Pure. */
export const barOf = (self: SelfAnswer | null, deed: DeedName): string | null => {
  if (self === null) return 'Not known yet whether you may: the sitter has not said who you are.'
  const roles = self.restricted[deeds[deed]]
  if (roles === undefined || roles.includes(self.role)) return null
  return `Not for the role ${self.role}. Who may: ${roles.join(', ')}.`
}

export const barred = (deed: DeedName): string | null => barOf(me.value, deed)

/** Whether the audit's chain may be looked at; false also while that is not known. */
export const mayVerify = computed(() => barred('auditVerify') === null)
