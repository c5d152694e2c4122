/**
 * Every verb: its words for the help, and where its deed is. The deeds are imported when a verb is used, and only
 * then.
 */
import { controlVerbs } from './control-verbs.ts'
import { moneyVerbs } from './money-verbs.ts'
import { beginning, looking } from './operating-verbs.ts'
import { dryRun, id, limit, wait, type Verb, type VerbOptions } from './verb.ts'

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

const deadFilters: VerbOptions = [
  ['--type <type>', 'of this task type'],
  ['--error <text>', 'whose error contains this'],
  ['--since <time>', 'that died within this time'],
  ...limit,
]

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
      ['--deadline <time>', 'dead when it has not ended within this time'],
      ['--after <id...>', 'only after these tasks have succeeded'],
      ['--on-failed <policy>', 'when one of those fails: cancel (default), run or block'],
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
    summary: 'try a waiting or dead task now, with another payload too',
    parameters: [id('tsk_…')],
    options: [
      ['--payload <json>', 'another payload, as a new version: JSON, @file or -'],
      ['--expect-version <n>', 'only when the payload is at this version'],
      ...dryRun,
    ],
    examples: ['task retry tsk_0198…', 'task retry tsk_0198… --payload @fixed.json'],
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
    options: [...deadFilters, ['--rate <rate>', 'starts in a time, like 10/s (default: all at once)'], ...dryRun],
    examples: ['dlq redrive tsk_0198…', 'dlq redrive --error timeout --since 2h --rate 10/s --dry-run'],
    load: async () => (await import('./work.ts')).deadRedrive,
  },
  {
    path: 'dlq discard',
    group: 'Work',
    summary: 'close dead letters for good, by id or by filter; their tasks are cancelled',
    parameters: [['[id]', 'tsk_…']],
    options: [...deadFilters, ...dryRun],
    examples: ['dlq discard tsk_0198…', 'dlq discard --type notify --since 2h --dry-run'],
    load: async () => (await import('./work.ts')).deadDiscard,
  },
  {
    path: 'task import',
    group: 'Work',
    summary: 'submit a task for each row of a CSV file or line of an NDJSON file',
    parameters: [
      ['<type>', 'task type of the configuration'],
      ['<file>', '.csv with a header, or .ndjson with a payload a line'],
    ],
    options: [
      ['--key <field>', 'the field that is the key (default: a hash of row and line number)'],
      ['--priority <n>', '0 to 9'],
      ...dryRun,
    ],
    examples: ['task import settle payments.ndjson', 'task import notify people.csv --key email'],
    load: async () => (await import('./import.ts')).taskImport,
  },
]

const agents: readonly Verb[] = [
  {
    path: 'agent check',
    group: 'Look',
    summary: 'does a program speak the agent protocol? needs no swarm: exit 0 it does, 1 it does not',
    parameters: [['<command...>', 'the program and its arguments, behind --; started in the current directory']],
    options: [
      ['--task <type>', 'task to give it (default: the first that it declares)'],
      ['--payload <json>', 'payload of that task (default {}); more than 5 s of work tests most'],
      ['--within <time>', 'longest time for each step (default 10s; what the protocol bounds gets no more than that)'],
    ],
    examples: [
      'agent check -- python3 agents/notifier.py',
      'agent check --payload \'{"to":"Ada"}\' --json -- ./my-agent',
    ],
    load: async () => (await import('./check.ts')).agentCheck,
  },
]

/** The shell's own: what `sitter <Tab>` knows. It gets the verbs handed in, since it is one of them. */
const shell: readonly Verb[] = [
  {
    path: 'completion',
    group: 'Run',
    summary: 'what a shell needs to complete verbs, options and names',
    parameters: [['<shell>', 'bash, zsh or fish']],
    examples: [
      'completion bash > ~/.local/share/bash-completion/completions/sitter',
      'completion zsh',
      'completion fish',
    ],
    load: async () => (await import('./completion.ts')).completionOf({ verbs, groupSummaries }).completion,
  },
  {
    path: 'complete',
    group: 'Run',
    summary: 'asked by a shell on Tab',
    hidden: true,
    parameters: [['[words...]', 'what stands on the line']],
    examples: [],
    load: async () => (await import('./completion.ts')).completionOf({ verbs, groupSummaries }).complete,
  },
]

export const verbs: readonly Verb[] = [
  ...beginning,
  ...run,
  ...look,
  ...looking,
  ...shell,
  ...agents,
  ...work,
  ...moneyVerbs,
  ...controlVerbs,
]

export const groupSummaries: Readonly<Record<string, string>> = {
  agent: 'agents in any language: check',
  task: 'tasks: add, import, ls, show, cancel, retry',
  dlq: 'dead letters: ls, show, redrive, discard',
  batch: 'files of settlements: ls, show',
  settlement: 'single payments: ls, show, resolve',
  ledger: 'the double-entry ledger: accounts, transfers, check',
  audit: 'the audit chain: verify',
  vault: 'credentials: set, ls',
  config: 'configuration: validate, plan, show, explain, history, diff, apply, rollback',
  token: 'who may ask: create, ls, revoke',
}

/** Verbs of the contract that later versions bring; said plainly instead of "unknown". */
export const laterVerbs: ReadonlySet<string> = new Set([
  'start',
  'stop',
  'pause',
  'resume',
  'quarantine',
  'mode',
  'workflow',
  'schedule',
  'upstream',
  'channel',
  'msg',
  'agents',
  'alerts',
  'incident',
  'report',
  'retention',
  'backup',
  'restore',
  'drill',
  'simulate',
  'mcp',
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
