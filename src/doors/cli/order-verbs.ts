/** What a person orders agents to do; verbs.ts has the other verbs. */
import { dryRun, wait, type Verb } from './verb.ts'

const whom: Verb['parameters'] = [['<agent|type>', 'settler/0042, or settler for all of the type']]
const why: Verb['options'] = [['--reason <text>', 'why, for whoever finds it so']]

export const orderVerbs: readonly Verb[] = [
  {
    path: 'restart',
    group: 'Run',
    summary:
      'restart an agent, or all of a type: then a pool gets new hosts, with the code as it is now, a quarter at a time',
    parameters: whom,
    options: [
      ['--rolling', 'a type part after part, the next when the one before works again by evidence'],
      [
        '--surge <n>',
        'with --rolling: so many may be away at once, like 3 or 25% (default 25%; a pool: one cell at least)',
      ],
      ['--wait [within]', 'until they work again, at most this long (default 10m); exit 124 when it is over'],
      ...dryRun,
    ],
    examples: ['restart settler/0042', 'restart settler --rolling --surge 10% --wait', 'restart settler --dry-run'],
    gives: '{ asked: string; agents: string[] }',
    exits: {
      4: 'with --wait: they do not work (a rolling restart is held, or some are quarantined)',
      124: '--wait is over',
    },
    load: async () => (await import('./agents.ts')).restart,
  },
  {
    path: 'stop',
    group: 'Run',
    summary: 'stop an agent, or all of a type, at once; it stays so over restarts of the sitter, until start',
    parameters: whom,
    options: [...why, ...wait, ...dryRun],
    examples: ['stop settler/0042 --reason "pays the wrong people"', 'stop settler --dry-run'],
    gives: 'AgentOrderAnswer',
    exits: { 6: 'no agent meant can take the order', 124: '--wait is over' },
    load: async () => (await import('./agents.ts')).order('stop'),
  },
  {
    path: 'start',
    group: 'Run',
    summary: 'start a stopped agent, or all stopped ones of a type',
    parameters: whom,
    options: [...why, ...wait, ...dryRun],
    examples: ['start settler/0042', 'start settler --wait 1m'],
    gives: 'AgentOrderAnswer',
    exits: {
      4: 'with --wait: some are quarantined instead',
      6: 'no agent meant can take the order',
      124: '--wait is over',
    },
    load: async () => (await import('./agents.ts')).order('start'),
  },
  {
    path: 'pause',
    group: 'Run',
    summary: 'give an agent, or all of a type, no new work; what is in hand is finished',
    parameters: whom,
    options: [...why, ...dryRun],
    examples: ['pause settler/0042', 'pause settler --yes'],
    gives: 'AgentOrderAnswer',
    exits: { 6: 'no agent meant can take the order' },
    load: async () => (await import('./agents.ts')).order('pause'),
  },
  {
    path: 'resume',
    group: 'Run',
    summary: 'let a paused agent, or all paused ones of a type, work again',
    parameters: whom,
    options: [...why, ...dryRun],
    examples: ['resume settler/0042'],
    gives: 'AgentOrderAnswer',
    exits: { 6: 'no agent meant can take the order' },
    load: async () => (await import('./agents.ts')).order('resume'),
  },
  {
    path: 'quarantine',
    group: 'Run',
    summary: 'put an agent, or all of a type, into quarantine until it is released; it stands in the inbox meanwhile',
    parameters: whom,
    options: [...why, ...dryRun],
    examples: ['quarantine settler/0042 --reason "strange calls"'],
    gives: 'AgentOrderAnswer',
    exits: { 6: 'no agent meant can take the order' },
    load: async () => (await import('./agents.ts')).order('quarantine'),
  },
  {
    path: 'release',
    group: 'Run',
    summary: "let a quarantined agent (or a type's) start again",
    parameters: whom,
    options: dryRun,
    examples: ['release settler/0042'],
    gives: '{ asked: string; agents: string[] }',
    load: async () => (await import('./agents.ts')).release,
  },
]
