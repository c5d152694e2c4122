/** Verbs about what somebody must know of: alerts now, and incidents with their story. */
import { dryRun, type Verb } from './verb.ts'

const id: readonly (readonly [string, string])[] = [['<id>', 'inc_…, or the key of one that is open, like gate']]

export const incidentVerbs: readonly Verb[] = [
  {
    path: 'alerts ls',
    group: 'Look',
    summary: 'what is wrong now: exit 4 when something is',
    examples: ['alerts ls', 'alerts ls --json'],
    gives: 'List<AlertAnswer>',
    exits: { 4: 'something is wrong' },
    load: async () => (await import('./incidents.ts')).alertsList,
  },
  {
    path: 'alerts ack',
    group: 'Run',
    summary: 'say that you have seen it: others know that somebody is at it',
    parameters: id,
    options: dryRun,
    examples: ['alerts ack gate', 'alerts ack inc_0198…'],
    gives: '{ acked: string }',
    exits: { 6: 'it is over, or somebody has seen it before' },
    load: async () => (await import('./incidents.ts')).incidentDeed('ack'),
  },
  {
    path: 'alerts silence',
    group: 'Run',
    summary: 'send nothing for a time about what begins so; incidents are recorded all the same',
    parameters: [['[prefix]', 'beginning of keys, like agents/ or dead-letters/notify (default: everything)']],
    options: [
      ['--for <time>', 'how long (default 1h, at most 30d)'],
      ['--end', 'end a silence before its time'],
      ...dryRun,
    ],
    examples: ['alerts silence agents/settler --for 2h', 'alerts silence agents/settler --end'],
    gives: '{ prefix: string; untilMs: number; by: string; setMs: number }, or { unsilenced: string } with --end',
    load: async () => (await import('./incidents.ts')).silence,
  },
  {
    path: 'incident ls',
    group: 'Look',
    summary: 'incidents, newest first',
    options: [
      ['--open', 'only those that are not over'],
      ['--limit <n>', 'the last n (default 100)'],
    ],
    examples: ['incident ls', 'incident ls --open'],
    gives: 'List<IncidentView>',
    load: async () => (await import('./incidents.ts')).incidentList,
  },
  {
    path: 'incident show',
    group: 'Look',
    summary: 'an incident with evidence, what was sent to whom, and what happened around it',
    parameters: [['<id>', 'inc_…']],
    examples: ['incident show inc_0198…'],
    gives: 'IncidentDescription',
    load: async () => (await import('./incidents.ts')).incidentShow,
  },
  {
    path: 'incident ack',
    group: 'Run',
    summary: 'as alerts ack',
    parameters: id,
    options: dryRun,
    examples: ['incident ack inc_0198…'],
    gives: '{ acked: string }',
    exits: { 6: 'it is over, or somebody has seen it before' },
    load: async () => (await import('./incidents.ts')).incidentDeed('ack'),
  },
  {
    path: 'incident resolve',
    group: 'Run',
    summary: 'call an incident over whose condition is gone, before its calm has passed',
    parameters: id,
    options: dryRun,
    examples: ['incident resolve inc_0198…'],
    gives: '{ resolved: string }',
    exits: { 6: 'its condition still holds, or it is over' },
    load: async () => (await import('./incidents.ts')).incidentDeed('resolve'),
  },
]
