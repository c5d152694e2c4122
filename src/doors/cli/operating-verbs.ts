/** The verbs of those who operate: begin, look at the machine, the log and the figures; verbs.ts has the others. */
import { dryRun, type Verb } from './verb.ts'

export const beginning: readonly Verb[] = [
  {
    path: 'init',
    group: 'Run',
    summary: 'write a small swarm that runs: a rehearsal bank, twenty agents, twenty payments',
    parameters: [['[dir]', 'where (default: here); nothing that is there is overwritten']],
    options: dryRun,
    examples: ['init payouts', 'init --dry-run'],
    gives: '{ directory: string; files: string[] }',
    load: async () => (await import('./init.ts')).init,
  },
  {
    path: 'doctor',
    group: 'Run',
    summary: 'what this machine enforces: exit 0 well, 4 something is absent, 1 something is broken',
    parameters: [['[config]', 'configuration (default: the one here, else the one that was applied last)']],
    examples: ['doctor', 'doctor --json', 'doctor examples/payouts/swarm.config.ts'],
    gives: '{ exit: number; directory: string | null; checks: Check[] }',
    exits: { 1: 'something is broken', 4: 'something is absent' },
    load: async () => (await import('./doctor.ts')).doctor,
  },
]

export const practising: readonly Verb[] = [
  {
    path: 'drill',
    group: 'Run',
    summary: 'fire drills on a small swarm of their own, or on a canary of this one: exit 0 only when everything held',
    parameters: [
      ['[name]', 'kill stop loop leak silence storm lost-answer clock-jump record-locked (default: all), or ls, show'],
      ['[id]', 'with show: an earlier run (default: the newest)'],
    ],
    options: [
      ['--live', 'on a canary of the swarm that works: kill stop loop leak silence'],
      ['--agent <id>', 'with --live: a type with canary: true, or one of its agents'],
      ...dryRun,
    ],
    ownsInterrupt: true,
    examples: ['drill', 'drill stop --json', 'drill kill --live --agent canary', 'drill ls', 'drill show'],
    gives: 'DrillRun, with ls List<DrillRun>',
    exits: { 1: 'something did not hold' },
    load: async () => (await import('./drill.ts')).drill,
  },
]

export const looking: readonly Verb[] = [
  {
    path: 'logs',
    group: 'Look',
    summary: 'lines of sitter, gate, watch and agents; reads the files, so it needs no sitter',
    parameters: [['[id]', 'settler/0042, cel_…, or a part: watch sitter gate fleet agent rehearsal']],
    options: [
      ['-f, --follow', 'go on as lines come'],
      ['--since <time>', 'all lines of this time, oldest first'],
      ['--level <level>', 'this level and above: trace debug info warn error fatal'],
      ['--grep <text>', 'lines that contain this text as it is (no pattern)'],
      ['--tail <n>', 'the last n (default 200, or all with --since)'],
    ],
    examples: ['logs -f', 'logs settler/0042 --since 10m', 'logs gate --level warn --json'],
    gives: 'lines of LogLine',
    load: async () => (await import('./logs.ts')).logs,
  },
  {
    path: 'top',
    group: 'Look',
    summary: 'agents, work, gate and memory as they change; q quits; one look without a terminal',
    ownsInterrupt: true,
    examples: ['top', 'top --json'],
    gives: '{ swarm: SwarmView; metrics: MetricsAnswer }',
    load: async () => (await import('./top.ts')).top,
  },
  {
    path: 'metrics',
    group: 'Look',
    summary: 'the figures that Prometheus scrapes at /metrics',
    parameters: [['[part]', 'figures with this in their name']],
    examples: ['metrics', 'metrics settlements --json'],
    gives: 'MetricsAnswer',
    exits: { 3: 'no figure has this in its name' },
    load: async () => (await import('./metrics.ts')).metrics,
  },
]
