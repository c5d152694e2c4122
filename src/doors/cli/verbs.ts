/** Every verb: its words for the help, and where its deed is. The deeds are imported when a verb is used, and only then. */
import type { Verb } from './verb.ts'

type Options = NonNullable<Verb['options']>
const dryRun: Options = [['--dry-run', 'say what would be done, and do nothing']]
const limit: Options = [['--limit <n>', 'at most this many (default: all)']]
const wait: Options = [
  ['--wait [within]', 'wait for the end, at most this long (default 10m); exit 124 when it is over'],
]

const run: readonly Verb[] = [
  {
    path: 'up',
    group: 'Run',
    summary: 'start the swarm and keep it up until Ctrl-C',
    ownsInterrupt: true,
    parameters: [['[config]', 'configuration (default: swarm.config.ts, .js or .json here)']],
    options: [
      ['--settle <file>', 'pay the rows of this CSV file: reference,payee,amount,currency[,channel,memo]'],
      [
        '--exit-when-idle',
        'end when nothing can go on without a person: exit 0 all well, 4 something waits, 1 a check fails',
      ],
      ['--fresh', 'begin anew: throws the record away; refused when a channel is no rehearsal'],
      ['--detach', 'not built yet'],
    ],
    examples: [
      'up',
      'up examples/payouts/swarm.config.ts --settle examples/payouts/payouts.csv --exit-when-idle',
      'up --fresh --yes',
    ],
    load: async () => (await import('./up.ts')).up,
  },
  {
    path: 'down',
    group: 'Run',
    summary: 'stop the swarm in order',
    options: [['--within <time>', 'time for running attempts (default 30s)'], ...dryRun],
    examples: ['down', 'down --within 2m'],
    load: async () => (await import('./swarm.ts')).down,
  },
  {
    path: 'restart',
    group: 'Run',
    summary: 'restart an agent, or all of a type',
    parameters: [['<agent|type>', 'settler/0042 or settler']],
    options: dryRun,
    examples: ['restart settler/0042', 'restart settler --dry-run'],
    load: async () => (await import('./agents.ts')).restart,
  },
  {
    path: 'release',
    group: 'Run',
    summary: "let a quarantined agent (or a type's) start again",
    parameters: [['<agent|type>', 'settler/0042 or settler']],
    options: dryRun,
    examples: ['release settler/0042'],
    load: async () => (await import('./agents.ts')).release,
  },
  {
    path: 'rehearse',
    group: 'Run',
    summary: 'run the rehearsal providers of a configuration alone',
    ownsInterrupt: true,
    parameters: [['[config]', 'configuration with rehearsals (default: swarm.config.ts here)']],
    options: [
      ['--port <n>', 'without a configuration: one provider on this port (0 = any)'],
      ['--rate <n>', 'requests a second it takes (default 400)'],
      ['--seed <n>', 'seed of its chance (default 1)'],
      ['--latency <time>', 'time before it answers'],
    ],
    examples: ['rehearse --port 9100', 'rehearse examples/payouts/swarm.config.ts'],
    load: async () => (await import('./rehearse.ts')).rehearse,
  },
]

const look: readonly Verb[] = [
  {
    path: 'status',
    group: 'Look',
    summary: 'the swarm at a glance: exit 0 well, 4 degraded or waiting, 1 a promise is broken',
    examples: ['status', 'status --json'],
    load: async () => (await import('./swarm.ts')).status,
  },
  {
    path: 'ps',
    alias: 'ls',
    group: 'Look',
    summary: 'list agents',
    options: [
      ['--type <type>', 'of this type'],
      ['--state <state>', 'in this state'],
      ['--mode <mode>', 'in this mode'],
    ],
    examples: ['ps --state quarantined', 'ps --type settler --json'],
    load: async () => (await import('./agents.ts')).ps,
  },
  {
    path: 'describe',
    group: 'Look',
    summary: 'everything about an agent, task, settlement, batch or cell',
    parameters: [['<id>', 'settler/0042, tsk_…, set_…, bat_…, cel_…']],
    examples: ['describe settler/42', 'describe set_0198…'],
    load: async () => (await import('./agents.ts')).describe,
  },
  {
    path: 'events',
    group: 'Look',
    summary: 'what happened lately',
    options: [
      ['-f, --follow', 'go on as things happen'],
      ['--limit <n>', 'the last n (default 50)'],
      ['--subject <id>', 'about this agent, task, …'],
    ],
    examples: ['events', 'events -f --json', 'events --subject settler/0042'],
    load: async () => (await import('./evidence.ts')).events,
  },
  {
    path: 'inbox',
    group: 'Look',
    summary: 'what waits for a person: exit 4 when something does',
    examples: ['inbox', 'inbox --json'],
    load: async () => (await import('./evidence.ts')).inbox,
  },
]

const deadFilters: Options = [
  ['--type <type>', 'of this task type'],
  ['--error <text>', 'whose error contains this'],
  ['--since <time>', 'that died within this time'],
  ...limit,
]
const id = (what: string): readonly [string, string] => ['<id>', what]

const work: readonly Verb[] = [
  {
    path: 'task add',
    group: 'Work',
    summary: 'submit a task',
    parameters: [['<type>', 'task type of the configuration']],
    options: [
      ['--payload <json>', 'JSON, @file or - for stdin (default {})'],
      ['--key <key>', 'same key and payload = same task'],
      ['--priority <n>', '0 to 9'],
      ['--delay <time>', 'not before'],
      ...wait,
      ...dryRun,
    ],
    examples: [
      'task add settle --payload @payment.json --key invoice-17',
      'task add settle --payload \'{"to":"x"}\' --wait 1m',
    ],
    load: async () => (await import('./work.ts')).taskAdd,
  },
  {
    path: 'task ls',
    group: 'Work',
    summary: 'list tasks',
    options: [
      ['--type <type>', 'of this type'],
      ['--state <state>', 'in this state'],
      ['--batch <id>', 'of this batch'],
      ...limit,
    ],
    examples: ['task ls --state waiting', 'task ls --json --limit 100'],
    load: async () => (await import('./work.ts')).taskList,
  },
  {
    path: 'task show',
    group: 'Work',
    summary: 'a task with its attempts',
    parameters: [id('tsk_…')],
    examples: ['task show tsk_0198…'],
    load: async () => (await import('./work.ts')).taskShow,
  },
  {
    path: 'task cancel',
    group: 'Work',
    summary: 'cancel a task that has not ended',
    parameters: [id('tsk_…')],
    options: dryRun,
    examples: ['task cancel tsk_0198…'],
    load: async () => (await import('./work.ts')).taskCancel,
  },
  {
    path: 'task retry',
    group: 'Work',
    summary: 'try a waiting or dead task now',
    parameters: [id('tsk_…')],
    options: dryRun,
    examples: ['task retry tsk_0198…'],
    load: async () => (await import('./work.ts')).taskRetry,
  },
  {
    path: 'dlq ls',
    group: 'Work',
    summary: 'list dead letters',
    options: deadFilters,
    examples: ['dlq ls --error timeout'],
    load: async () => (await import('./work.ts')).deadList,
  },
  {
    path: 'dlq show',
    group: 'Work',
    summary: 'a dead letter with payload, stack and history',
    parameters: [id('tsk_…')],
    examples: ['dlq show tsk_0198…'],
    load: async () => (await import('./work.ts')).deadShow,
  },
  {
    path: 'dlq redrive',
    group: 'Work',
    summary: 'give dead letters another life, by id or by filter',
    parameters: [['[id]', 'tsk_…']],
    options: [...deadFilters, ...dryRun],
    examples: ['dlq redrive tsk_0198…', 'dlq redrive --error timeout --since 2h --dry-run'],
    load: async () => (await import('./work.ts')).deadRedrive,
  },
]

const money: readonly Verb[] = [
  {
    path: 'settle',
    group: 'Money',
    summary: 'pay the rows of a CSV file; refused whole when a row is wrong',
    parameters: [['<file>', 'reference,payee,amount,currency[,channel,memo]']],
    options: [['--channel <name>', 'way to pay where a row names none'], ...wait, ...dryRun],
    examples: ['settle payouts.csv --dry-run', 'settle payouts.csv --wait 10m'],
    load: async () => (await import('./money.ts')).settle,
  },
  {
    path: 'batch ls',
    group: 'Money',
    summary: 'list batches',
    options: limit,
    examples: ['batch ls'],
    load: async () => (await import('./money.ts')).batchList,
  },
  {
    path: 'batch show',
    group: 'Money',
    summary: 'a batch and what became of it',
    parameters: [id('bat_…')],
    examples: ['batch show bat_0198…'],
    load: async () => (await import('./money.ts')).batchShow,
  },
  {
    path: 'settlement ls',
    group: 'Money',
    summary: 'list settlements',
    options: [
      ['--state <state>', 'in this state'],
      ['--batch <id>', 'of this batch'],
      ['--channel <name>', 'through this channel'],
      ['--person', 'that wait for a person'],
      ...limit,
    ],
    examples: ['settlement ls --state unknown', 'settlement ls --person -q'],
    load: async () => (await import('./money.ts')).settlementList,
  },
  {
    path: 'settlement show',
    group: 'Money',
    summary: 'a settlement with requests, transfers and events',
    parameters: [id('set_…')],
    examples: ['settlement show set_0198…'],
    load: async () => (await import('./money.ts')).settlementShow,
  },
  {
    path: 'settlement resolve',
    group: 'Money',
    summary: 'say what became of an unknown settlement, with evidence',
    parameters: [id('set_…')],
    options: [
      ['--as <outcome>', 'settled (the provider has it) or absent (it does not: it may be paid again)'],
      ['--evidence <text>', 'how you know: text, @file or -'],
      ...dryRun,
    ],
    examples: ['settlement resolve set_0198… --as settled --evidence @statement.txt'],
    load: async () => (await import('./money.ts')).settlementResolve,
  },
  {
    path: 'ledger accounts',
    group: 'Money',
    summary: 'accounts and balances',
    examples: ['ledger accounts'],
    load: async () => (await import('./money.ts')).ledgerAccounts,
  },
  {
    path: 'ledger transfers',
    group: 'Money',
    summary: 'transfers, oldest first',
    options: [['--settlement <id>', 'of this settlement'], ...limit],
    examples: ['ledger transfers --settlement set_0198…'],
    load: async () => (await import('./money.ts')).ledgerTransfers,
  },
  {
    path: 'ledger check',
    group: 'Money',
    summary: 'does it balance? exit 1 when not',
    examples: ['ledger check'],
    load: async () => (await import('./money.ts')).ledgerCheck,
  },
]

const evidence: readonly Verb[] = [
  {
    path: 'audit verify',
    group: 'Evidence',
    summary: "follow the audit chain; exit 1 and the entry's number when it is broken",
    options: [
      ['--record <file>', 'check this copy of swarm.db, without a sitter'],
      ['--anchor <file>', 'not built yet'],
    ],
    examples: ['audit verify', 'audit verify --record backup/swarm.db'],
    load: async () => (await import('./evidence.ts')).auditVerify,
  },
  {
    path: 'export',
    group: 'Evidence',
    summary: 'everything of a kind as NDJSON on stdout',
    parameters: [['<kind>', 'tasks, attempts, settlements, transfers, audit, runs']],
    examples: ['export settlements > settlements.ndjson'],
    load: async () => (await import('./evidence.ts')).exportKind,
  },
]

const secrets: readonly Verb[] = [
  {
    path: 'vault set',
    group: 'Secrets',
    summary: 'set a credential; its value is asked for, or read from stdin, never from the command line',
    parameters: [['<name>', 'credential of the configuration']],
    options: dryRun,
    examples: ['vault set northbank', 'vault set northbank < secret.txt'],
    load: async () => (await import('./vault.ts')).vaultSet,
  },
  {
    path: 'vault ls',
    group: 'Secrets',
    summary: 'fingerprints, ages and states; never a secret',
    examples: ['vault ls'],
    load: async () => (await import('./vault.ts')).vaultList,
  },
]

export const verbs: readonly Verb[] = [...run, ...look, ...work, ...money, ...evidence, ...secrets]

export const groupSummaries: Readonly<Record<string, string>> = {
  task: 'tasks: add, ls, show, cancel, retry',
  dlq: 'dead letters: ls, show, redrive',
  batch: 'files of settlements: ls, show',
  settlement: 'single payments: ls, show, resolve',
  ledger: 'the double-entry ledger: accounts, transfers, check',
  audit: 'the audit chain: verify',
  vault: 'credentials: set, ls',
}

/** Verbs of the contract that later versions bring; said plainly instead of "unknown". */
export const laterVerbs: ReadonlySet<string> = new Set([
  'init',
  'doctor',
  'logs',
  'top',
  'start',
  'stop',
  'pause',
  'resume',
  'quarantine',
  'mode',
  'freeze',
  'thaw',
  'workflow',
  'schedule',
  'upstream',
  'channel',
  'msg',
  'agents',
  'agent',
  'config',
  'token',
  'metrics',
  'alerts',
  'incident',
  'report',
  'retention',
  'backup',
  'restore',
  'drill',
  'simulate',
  'mcp',
  'completion',
  'task import',
  'dlq discard',
  'vault import',
  'vault rotate',
  'vault revoke',
  'vault rekey',
  'vault status',
  'settlement approve',
  'settlement reject',
  'settlement hold',
  'settlement release',
  'settlement cancel',
  'audit search',
  'audit prove',
  'audit checkpoint',
])
