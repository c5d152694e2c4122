/**
 * Every verb: its words for the help, and where its deed is. The deeds are imported when a verb is used, and only
 * then.
 */
import { controlVerbs } from './control-verbs.ts'
import { incidentVerbs } from './incident-verbs.ts'
import { moneyVerbs } from './money-verbs.ts'
import { beginning, looking, practising } from './operating-verbs.ts'
import { orderVerbs } from './order-verbs.ts'
import { dryRun, type Verb } from './verb.ts'
import { workVerbs } from './work-verbs.ts'

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
      ['--detach', 'leave it running without this terminal, as soon as its sitter answers; `down` stops it'],
      ...dryRun,
    ],
    examples: [
      'up',
      'up examples/payouts/swarm.config.ts --settle examples/payouts/payouts.csv --exit-when-idle',
      'up --fresh --yes',
      'up --detach',
      'up --settle payouts.csv --dry-run',
    ],
    gives:
      'RunReport, with --dry-run UpPlan, with --detach ' +
      '{ pid: number; sitter: number; url: string; dataDirectory: string }',
    exits: {
      0: 'with --exit-when-idle: all work ended and every check holds; else stopped in order, by down or SIGTERM',
      1: 'a check does not hold, or the swarm cannot be kept up',
      4: 'something waits for a person',
      130: 'Ctrl-C, also when it stopped in order',
    },
    load: async () => (await import('./up.ts')).up,
  },
  {
    path: 'down',
    group: 'Run',
    summary: 'stop the swarm in order',
    options: [['--within <time>', 'time for running attempts (default 30s)'], ...dryRun],
    examples: ['down', 'down --within 2m'],
    gives: '{ stopped: boolean; name: string }',
    exits: { 124: 'it has not stopped within the time and 15 s more' },
    load: async () => (await import('./swarm.ts')).down,
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
    gives: '{ rehearsals: { name: string; url: string; logFile: string; tokenFile: string }[] }',
    load: async () => (await import('./rehearse.ts')).rehearse,
  },
]

const look: readonly Verb[] = [
  {
    path: 'status',
    group: 'Look',
    summary: 'the swarm at a glance: exit 0 well, 4 degraded or waiting, 1 a promise is broken',
    examples: ['status', 'status --json'],
    gives: 'SwarmView',
    exits: { 1: 'a promise is broken', 4: 'degraded, or something waits for a person' },
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
    gives: 'List<AgentView>',
    load: async () => (await import('./agents.ts')).ps,
  },
  {
    path: 'describe',
    group: 'Look',
    summary: 'everything about an agent, task, attempt, settlement, batch, cell, incident or version of a secret',
    parameters: [['<id>', 'settler/0042, tsk_…, att_…, set_…, bat_…, cel_…, inc_…, northbank@3']],
    examples: ['describe settler/42', 'describe set_0198…'],
    gives:
      'AgentDescription | TaskDescription | AttemptView | SettlementDescription | BatchDescription | ' +
      'CellDescription | IncidentDescription | SecretDescription',
    load: async () => (await import('./agents.ts')).describe,
  },
  {
    path: 'events',
    group: 'Look',
    summary: 'what happened lately',
    options: [
      ['-f, --follow', 'go on as things happen'],
      ['--tail <n>', 'the last n (default 50; 10 before those that follow)'],
      ['--limit <n>', 'the same'],
      ['--subject <id>', 'about this agent, task, …'],
      ['--kind <kind>', 'of this kind, or under it: cell.decision, or cell'],
      ['--since <duration>', 'not older than 1h, 2d …'],
    ],
    examples: [
      'events --tail 100 -f',
      'events -f --json',
      'events --subject settler/0042',
      'events --kind cell.decision --since 24h',
    ],
    gives: 'lines of EventView',
    load: async () => (await import('./evidence.ts')).events,
  },
  {
    path: 'inbox',
    group: 'Look',
    summary: 'what waits for a person, by cause: exit 4 when something does',
    options: [['--each', 'one by one, as --json does']],
    examples: ['inbox', 'inbox --each', 'inbox --json'],
    gives: 'List<InboxItem>',
    exits: { 4: 'something waits' },
    load: async () => (await import('./evidence.ts')).inbox,
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
    gives:
      '{ ok: boolean; command: string[]; checks: { outcome: "passed" | "failed" | "warning" | "not tested"; ' +
      'name: string; expected: string; found: string }[] }',
    exits: { 1: 'a check failed' },
    load: async () => (await import('./check.ts')).agentCheck,
  },
]

/** The shell's own: what `sitter <Tab>` knows. It gets the verbs handed in, since it is one of them. */
const shell: readonly Verb[] = [
  {
    path: 'completion',
    group: 'Run',
    summary:
      'what a shell needs to complete verbs, options and names of the word `sitter`; ' +
      "where it is not on PATH, npx is asked: alias sitter='npx --no-install sitter'",
    parameters: [['<shell>', 'bash, zsh or fish']],
    examples: [
      'completion bash > ~/.local/share/bash-completion/completions/sitter',
      'completion zsh',
      'completion fish',
    ],
    gives: 'nothing: the script is text',
    load: async () => (await import('./completion.ts')).completionOf({ verbs, groupSummaries }).completion,
  },
  {
    path: 'complete',
    group: 'Run',
    summary: 'asked by a shell on Tab',
    hidden: true,
    parameters: [['[words...]', 'what stands on the line']],
    examples: [],
    gives: 'nothing',
    load: async () => (await import('./completion.ts')).completionOf({ verbs, groupSummaries }).complete,
  },
]

export const verbs: readonly Verb[] = [
  ...beginning,
  ...run,
  ...practising,
  ...orderVerbs,
  ...look,
  ...looking,
  ...incidentVerbs,
  ...shell,
  ...agents,
  ...workVerbs,
  ...moneyVerbs,
  ...controlVerbs,
]

export const groupSummaries: Readonly<Record<string, string>> = {
  agent: 'agents in any language: check',
  alerts: 'what is wrong now: ls, ack, silence',
  incident: 'what was wrong, whole: ls, show, ack, resolve',
  task: 'tasks: add, import, ls, show, cancel, retry',
  dlq: 'dead letters: ls, show, redrive, discard',
  batch: 'files of settlements: ls, show',
  settlement: 'single payments: ls, show, hold, release, cancel, resolve',
  ledger: 'the double-entry ledger: accounts, transfers, check',
  audit: 'the audit chain: verify, search, checkpoint',
  vault: 'credentials: set, import, export, ls, status, rotate, revoke, rekey',
  config: 'configuration: validate, plan, show, explain, history, diff, apply, rollback',
  upstream: 'APIs outside: ls, show',
  channel: 'ways to pay: ls',
  token: 'who may ask: create, ls, revoke',
}

/** Verbs of the contract that later versions bring, each with what helps until then. */
export const laterVerbs: Readonly<Record<string, string>> = {
  workflow: 'a task can come after others: `sitter task add --after <id>`',
  schedule: 'a timer of your system can call `sitter task add --key <name>-<time>`: a key makes it once',
  msg: 'agents share values and locks, see docs/guides/work.md',
  agents: '`sitter ps` lists agents by type, state and mode',
  report: '`sitter export settlements` gives every payment',
  retention: 'nothing is deleted but old log files, see docs/guides/operating.md',
  restore: 'a backup is swarm.db and gate/gate.db as they were; what was paid since is not in it',
  simulate: '`sitter rehearse` runs providers without a swarm',
  mcp: 'the HTTP API is described by /openapi.json, see docs/api.md',
  'settlement approve': '`sitter settlement release <id>` lets a payment go on that was held by hand',
  'settlement reject': '`sitter settlement cancel <id>` ends a payment that waits or is held',
  'audit prove': '`sitter audit search --object <id>` finds entries, `sitter audit verify` follows the whole chain',
}
