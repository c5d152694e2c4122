/** The verbs of money, evidence and secrets; verbs.ts has the others. */
import { dryRun, id, limit, wait, type Verb } from './verb.ts'

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

export const moneyVerbs: readonly Verb[] = [...money, ...evidence, ...secrets]
