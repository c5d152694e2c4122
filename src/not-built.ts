/**
 * What this version does not do. The report, the API and the page say it in these words; a line leaves when its
 * capability is whole. What a configuration is refused for (config/not-yet.ts) stands here in the same words: a test
 * compares them.
 */
export const notBuilt: readonly string[] = [
  'a bus beyond this host (NATS), the adoption of cells by a new sitter',
  'workflows, schedules, dependencies between task types (a task may name tasks that it comes after)',
  'approvals by rule (a person can hold, release and cancel a payment), fallback channels, ' +
    'limits on what a channel pays, channels other than "http", reconciliation files, tax reports, ' +
    'payment files other than CSV',
  'cells other than "pool", "vm", "process" and "sandbox"',
  'messages between agents, directory, figures of agents (their frame `metric` is dropped, and told)',
  'metrics settings; figures of audit anchors, schedules and messages',
  'audit anchors made by themselves: keep `sitter audit checkpoint --json` elsewhere to find a cut tail or an old copy',
  'probes (`health`) of a program in a sandbox: only a `process` cell can be asked from outside',
  'recycling of programs before their limits (pool and vm hosts are; `maxLifetime` replaces a program by age)',
  'restore of a backup, retention, simulation, MCP',
  'TLS on its own port, outside logins',
]
