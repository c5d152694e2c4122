/**
 * What this version does not do. The report, the API and the page say it in these words; a line leaves when its
 * capability is whole.
 */
export const notBuilt: readonly string[] = [
  'agents in other languages (command, exec); cells of kind process, sandbox and vm: the boundary is the pool host',
  'PostgreSQL as the record, NATS as the bus',
  'credential rotation, OAuth refresh, expiry alerts: a secret is sealed, used and replaced by hand',
  'limits learned from answers, circuit breakers, budgets: fixed limits and Retry-After only',
  'dependencies between tasks, workflows, schedules',
  'approvals, holds, fallback between channels, reconciliation files, tax reports',
  'messages between agents, directory',
  'log search, metrics endpoint, alerts, config reload, doctor, roles beside the operator, freeze by command',
  'audit anchors outside this machine: a cut tail or a restored old copy is not detected yet',
]
