/**
 * What this version does not do. The report, the API and the page say it in these words; a line leaves when its
 * capability is whole.
 */
export const notBuilt: readonly string[] = [
  'NATS as the bus',
  'workflows, schedules',
  'approvals by rule (a person can hold, release and cancel a payment), fallback between channels, reconciliation ' +
    'files, tax reports, payment files other than CSV',
  'messages between agents, directory',
  'audit anchors made by themselves: keep `sitter audit checkpoint --json` elsewhere to find a cut tail or an old copy',
  'probes (`health`) of a program in a sandbox: only a `process` cell can be asked from outside',
  'recycling of programs before their limits (pool and vm hosts are; `maxLifetime` replaces a program by age)',
  'restore of a backup, retention, simulation, MCP',
]
