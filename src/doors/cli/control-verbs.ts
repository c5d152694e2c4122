/** Verbs that people hold in hand: the switch, the configuration, and who may ask. */
import { dryRun, type Verb, type VerbOptions } from './verb.ts'

const file: readonly (readonly [string, string])[] = [
  ['[config]', 'configuration (default: swarm.config.ts, .js or .json here)'],
]
const restart: VerbOptions = [['--restart', 'agree that the sitter begins anew where the plan says so']]

const freezing: readonly Verb[] = [
  {
    path: 'freeze',
    group: 'Run',
    summary: 'let nothing new go out; works beside a dead or hung sitter',
    options: [['--reason <text>', 'why, for whoever finds it frozen'], ...dryRun],
    examples: ['freeze --reason "wrong payees in batch 7"'],
    gives: "{ frozen: true; file: string | null; gate: true | 'unknown' }",
    load: async () => (await import('./freeze.ts')).freeze,
  },
  {
    path: 'thaw',
    group: 'Run',
    summary: 'end a freeze, at once or in stages',
    options: [['--throttled <time>', 'a quarter of the usual rate for so long, like 10m'], ...dryRun],
    examples: ['thaw', 'thaw --yes --throttled 10m'],
    gives: '{ frozen: false }',
    load: async () => (await import('./freeze.ts')).thaw,
  },
]

const modes: readonly Verb[] = [
  {
    path: 'mode',
    group: 'Run',
    summary: 'what the swarm, a type, an agent or a channel may do; without a mode: those that are set',
    parameters: [
      ['[mode]', 'active, throttled, shadow, readonly or parked'],
      ['[target]', 'settler/0042, settler, a channel, or swarm (default); channel:x where a type has its name'],
    ],
    options: [
      ['--reason <text>', 'why, for whoever finds it so'],
      ['--for <time>', 'how long, like 1h (default: until somebody says active)'],
      ...dryRun,
    ],
    examples: ['mode', 'mode shadow settler/0042 --reason "new version on trial" --for 1h', 'mode active settler/0042'],
    gives: 'ModeAnswer, or List<ModeSetting> without a mode',
    load: async () => (await import('./mode.ts')).mode,
  },
]

const configuration: readonly Verb[] = [
  {
    path: 'config validate',
    group: 'Run',
    summary: 'check a configuration: every fault at once',
    parameters: file,
    examples: ['config validate', 'config validate swarm.config.ts --json'],
    gives: '{ valid: true; file: string; untried: { types: string[]; what: string; why: string; wayOut: string }[] }',
    load: async () => (await import('./config.ts')).configValidate,
  },
  {
    path: 'config plan',
    group: 'Run',
    summary: 'what a configuration would change, and who would begin anew',
    parameters: file,
    examples: ['config plan'],
    gives: 'ConfigPlan',
    load: async () => (await import('./config.ts')).configPlan,
  },
  {
    path: 'config show',
    group: 'Run',
    summary: 'the configuration that runs',
    examples: ['config show --json'],
    gives: 'the configuration, as in the file',
    load: async () => (await import('./config.ts')).configShow,
  },
  {
    path: 'config explain',
    group: 'Run',
    summary: 'what holds at a place, written or default, and what may stand there',
    parameters: [
      ['<path>', 'agents.settler.restart, or restart with an agent'],
      ['[agent]', 'settler/0042: the path is below its type'],
    ],
    examples: ['config explain agents.settler.restart', 'config explain restart.max settler/0042'],
    gives: 'Explanation',
    load: async () => (await import('./config.ts')).configExplain,
  },
  {
    path: 'config history',
    group: 'Run',
    summary: 'versions that were applied, newest first',
    examples: ['config history'],
    gives: 'List<ConfigVersionAnswer>',
    load: async () => (await import('./config.ts')).configHistory,
  },
  {
    path: 'config diff',
    group: 'Run',
    summary: 'what changed between two versions (default: the last two)',
    parameters: [
      ['[from]', 'version'],
      ['[to]', 'version (default: the newest)'],
    ],
    examples: ['config diff', 'config diff 3 5'],
    gives: '{ from: number; to: number; changes: ConfigChange[] }',
    load: async () => (await import('./config.ts')).configDiff,
  },
  {
    path: 'config apply',
    group: 'Run',
    summary: 'apply a configuration to the running swarm',
    parameters: file,
    options: [...restart, ...dryRun],
    examples: ['config apply --dry-run', 'config apply', 'config apply --restart'],
    gives: '{ applied: false; plan: ConfigPlan }, or { version: number } and more once it is applied',
    load: async () => (await import('./config.ts')).configApply,
  },
  {
    path: 'config rollback',
    group: 'Run',
    summary: 'apply an older version again',
    parameters: [['<version>', 'its number; config history lists them']],
    options: [...restart, ...dryRun],
    examples: ['config rollback 3'],
    gives: 'as config apply',
    load: async () => (await import('./config.ts')).configRollback,
  },
]

const tokens: readonly Verb[] = [
  {
    path: 'token create',
    group: 'Secrets',
    summary: 'make a token for a person or program; it is shown once',
    options: [
      ['--name <name>', 'whose it is; audit entries name it'],
      ['--role <role>', 'viewer, operator, approver, auditor or admin'],
      ['--expires <time>', 'how long it lives, like 30d (default: until it is revoked)'],
      ...dryRun,
    ],
    examples: ['token create --name ci --role operator --expires 90d'],
    gives: '{ id: string; name: string; role: string; token: string }',
    load: async () => (await import('./token.ts')).tokenCreate,
  },
  {
    path: 'token ls',
    group: 'Secrets',
    summary: 'list tokens; never their values',
    examples: ['token ls'],
    gives: 'List<TokenAnswer>',
    load: async () => (await import('./token.ts')).tokenList,
  },
  {
    path: 'token revoke',
    group: 'Secrets',
    summary: 'end a token',
    parameters: [['<name>', 'its name or id']],
    options: dryRun,
    examples: ['token revoke ci'],
    gives: '{ revoked: string }',
    load: async () => (await import('./token.ts')).tokenRevoke,
  },
]

export const controlVerbs: readonly Verb[] = [...freezing, ...modes, ...configuration, ...tokens]
