/**
 * What changes between two configurations, and what applying the second does. Pure. Nearly everything is taken live:
 * what it means for agents says the same function that the fleet acts by (model/change.ts). What only a new process
 * reads is named: the address of the API needs a restart of the sitter, the rest of the whole swarm.
 */
import { agentTypeChanges, type AgentTypeChange, type Setting } from '../model/model.ts'
import { canonicalJson } from '../std/std.ts'
import { formatPath, type Path } from './faults.ts'
import type { LoadedConfig } from './load.ts'
import { withoutPasswords } from './passwords.ts'

/** Who takes a change: `live` = sitter and gate as they run; else who must begin anew for it. */
export type ChangeReach = 'live' | 'sitter' | 'swarm'

export interface ConfigChange {
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** Short JSON, passwords hidden; absent on the side where there is nothing. */
  readonly before?: string
  readonly after?: string
  readonly reach: ChangeReach
}
export interface ConfigPlan {
  /** Empty = nothing changes. */
  readonly changes: readonly ConfigChange[]
  /** Processes that begin anew: `none` = it is taken live; `swarm` = it cannot be applied to a running swarm. */
  readonly restarts: 'none' | 'sitter' | 'swarm'
  /** What it means for the agents, by type. */
  readonly agents: readonly AgentTypeChange[]
  /** The gate takes over new upstreams, limits or credentials. */
  readonly gate: boolean
  /** For people, one sentence each; the first says it all in short. */
  readonly effects: readonly string[]
}
/** A configuration as it is kept, and as it is read. */
export type KeptConfig = Pick<LoadedConfig, 'raw' | 'baseDirectory'>
export type PlannedConfig = Pick<LoadedConfig, 'raw' | 'baseDirectory' | 'config'>

const deepest = 64
const longestShown = 200

type Plain = Readonly<Record<string, unknown>>

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value)

const shown = (value: unknown, path: Path): string => {
  const text = canonicalJson(withoutPasswords(value, path.map(String)))
  return text.length > longestShown ? `${text.slice(0, longestShown - 1)}…` : text
}

/** The key is read as own property only: no name reaches a prototype. */
const own = (value: Plain, key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined)

const same = (before: unknown, after: unknown): boolean =>
  before === after || (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after))

const swarmParts = new Set(['name', 'store', 'bus', 'rehearsal'])
const gateParts = new Set(['upstreams', 'credentials'])

/** Limits and weights that hold at the gate, also where they are written at agents. */
const gateLimits = ({ config }: PlannedConfig) => ({
  limits: config.limits,
  weights: Object.values(config.agents).map(({ name, weight }) => [name, weight ?? 1]),
})

const reachOf = ([part, key]: Path): ChangeReach => {
  // The dead-man's ping is the watch's, which reads the file once.
  if (swarmParts.has(String(part)) || (part === 'alerts' && key === 'deadman')) return 'swarm'
  return part === 'api' || part === 'machine' || part === 'groups' ? 'sitter' : 'live'
}

/** Differences by path, in the order of the names; lists are compared as a whole. */
const differences = (before: unknown, after: unknown, path: Path = []): ConfigChange[] => {
  if (same(before, after)) return []
  if (isPlain(before) && isPlain(after) && path.length < deepest) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
    return keys.flatMap((key) => differences(own(before, key), own(after, key), [...path, key]))
  }
  const change = { path: formatPath(path), reach: reachOf(path) }
  if (before === undefined) return [{ ...change, kind: 'added', after: shown(after, path) }]
  if (after === undefined) return [{ ...change, kind: 'removed', before: shown(before, path) }]
  return [{ ...change, kind: 'changed', before: shown(before, path), after: shown(after, path) }]
}

/** The directory from which a configuration's paths go: the same text in another place is another configuration. */
const places = (before: KeptConfig, after: KeptConfig): ConfigChange[] =>
  before.baseDirectory === after.baseDirectory
    ? []
    : [
        {
          path: '(directory)',
          kind: 'changed',
          before: shown(before.baseDirectory, []),
          after: shown(after.baseDirectory, []),
          reach: 'live',
        },
      ]

/** What changes in the text; `$schema` plays no part. */
export const changesBetween = (before: KeptConfig, after: KeptConfig): readonly ConfigChange[] => [
  ...places(before, after),
  ...differences(before.raw, after.raw).filter(({ path }) => path !== '$schema'),
]

export const formatChange = ({ path, kind, before, after }: ConfigChange): string => {
  if (kind === 'added') return `+ ${path} = ${after}`
  return kind === 'removed' ? `- ${path} (was ${before})` : `~ ${path}: ${before} → ${after}`
}

/** Settings as people write them. */
const written: Partial<Record<Setting, string>> = {
  memoryBytes: 'limits.memory',
  heartbeatMs: 'heartbeat',
  stuckAfterMs: 'stuckAfter',
  startWithinMs: 'startWithin',
  maxLifetimeMs: 'maxLifetime',
}
const named = (settings: readonly Setting[]): string => settings.map((one) => written[one] ?? one).join(', ')
const agents = (count: number, one: string, more: string): string =>
  count === 1 ? `1 agent ${one}` : `${count} agents ${more}`
const starting = (count: number): string => agents(count, 'starts', 'start')
const stopping = (count: number): string =>
  agents(count, 'finishes what it has in hand and stops', 'finish what they have in hand and stop')
const renewing = (count: number, because: string): string =>
  `${agents(count, 'begins anew', 'begin anew, one part after the other,')} because of ${because}`

/** What happens to the agents of one type, in one line. */
const agentLine = ({ type, kind, from, to, restarts, because, live }: AgentTypeChange): string => {
  if (kind === 'added') return `${type} is added: ${starting(to)}`
  if (kind === 'removed') return `${type} is removed: ${stopping(from)}; tasks for it wait until it is back`
  const told = [
    ...(to > from ? [`${starting(to - from)} in addition`] : []),
    ...(to < from ? [stopping(from - to)] : []),
    ...(restarts > 0 ? [renewing(restarts, named(because))] : []),
    ...(live.length > 0 ? [`${named(live)} ${live.length === 1 ? 'holds' : 'hold'} at once`] : []),
    ...(restarts === 0 && Math.min(from, to) > 0 ? ['no agent that stays begins anew'] : []),
  ]
  return `${type} changes: ${told.join('; ')}`
}

const restartsOf = (changes: readonly ConfigChange[]): ConfigPlan['restarts'] => {
  if (changes.some(({ reach }) => reach === 'swarm')) return 'swarm'
  return changes.some(({ reach }) => reach === 'sitter') ? 'sitter' : 'none'
}

const inShort: Record<ConfigPlan['restarts'], string> = {
  none: 'it is taken live: neither sitter nor gate begins anew',
  sitter: 'it needs a restart of the sitter: every agent starts again, attempts end within 30 s or are given out anew',
  swarm: 'it needs a restart of sitter and gate: `sitter down`, then `sitter up` with the new file',
}

const pathsOf = (changes: readonly ConfigChange[], reach: ChangeReach): string =>
  changes.flatMap((change) => (change.reach === reach ? [change.path] : [])).join(', ')

const partOf = ({ path }: ConfigChange): string => /^[a-z]+/.exec(path)?.[0] ?? ''

const gone = (before: object, after: object): string =>
  Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .join(', ')

/** Channels whose payments under way would be asked about at another place. */
const moved = ({ config: before }: PlannedConfig, { config: after }: PlannedConfig): string =>
  Object.values(before.channels)
    .filter(({ name, upstream }) => {
      const next = Object.hasOwn(after.channels, name) ? after.channels[name] : undefined
      return next !== undefined && before.upstreams[upstream]?.url !== after.upstreams[next.upstream]?.url
    })
    .map(({ name }) => name)
    .join(', ')

/** What does not follow from the changes alone: what becomes of work and money under way. */
const warnings = (before: PlannedConfig, after: PlannedConfig): readonly string[] => {
  const tasks = gone(before.config.tasks, after.config.tasks)
  const channels = gone(before.config.channels, after.config.channels)
  const elsewhere = moved(before, after)
  return [
    ...(tasks === '' ? [] : [`tasks of ${tasks} that are there already are not tried again when they fail`]),
    ...(channels === '' ? [] : [`payments by ${channels} that have not ended wait for a person`]),
    ...(elsewhere === ''
      ? []
      : [`see first that no payment is unknown: ${elsewhere} pays at another address, which may not know older ones`]),
  ]
}

const effectsOf = (plan: Omit<ConfigPlan, 'effects'>, more: readonly string[]): readonly string[] => {
  const { changes, restarts, gate } = plan
  if (changes.length === 0) return ['nothing changes']
  const [swarm, sitter] = [pathsOf(changes, 'swarm'), pathsOf(changes, 'sitter')]
  return [
    inShort[restarts],
    ...(swarm === '' ? [] : [`only a restart of sitter and gate reaches ${swarm}`]),
    ...(sitter === '' ? [] : [`only a restart of the sitter reaches ${sitter}`]),
    ...plan.agents.map(agentLine),
    ...more,
    ...(gate ? ['the gate takes over upstreams, limits and credentials; a limit that changes begins empty'] : []),
  ]
}

/** The plan from one configuration to another; both must have been checked. */
export const planChange = (before: PlannedConfig, after: PlannedConfig): ConfigPlan => {
  const changes = changesBetween(before, after)
  const plan = {
    changes,
    restarts: restartsOf(changes),
    agents: agentTypeChanges(before.config.agents, after.config.agents),
    gate: changes.some((change) => gateParts.has(partOf(change))) || !same(gateLimits(before), gateLimits(after)),
  }
  return { ...plan, effects: effectsOf(plan, warnings(before, after)) }
}
