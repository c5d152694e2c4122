/**
 * What this version does not do. The report, the API and the page say it in these words; a line leaves when its
 * capability is whole.
 */
export const notBuilt: readonly string[] = [
  'cells of kind vm: agents in TypeScript share a pool host, which is their boundary',
  'NATS as the bus',
  'credential rotation, OAuth refresh, expiry alerts: a secret is sealed, used and replaced by hand',
  'limits learned from answers, circuit breakers, budgets: fixed limits and Retry-After only',
  'workflows, schedules',
  'approvals, holds, fallback between channels, reconciliation files, tax reports',
  'messages between agents, directory',
  'alerts to people: the rules of deploy/prometheus are for a Prometheus of yours',
  'a changed configuration in a running sitter: `config apply --restart` begins the sitter anew, its agents with it',
  'audit anchors outside this machine: a cut tail or a restored old copy is not detected yet',
]
