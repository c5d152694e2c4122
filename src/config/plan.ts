/**
 * What changes between two configurations, and what applying the second costs. Pure. This version applies nothing to a
 * running process: the sitter begins anew with the new value (its agents with it), the gate too when what it reads has
 * changed; what even that does not reach needs `sitter down` and `sitter up`.
 */
import { canonicalJson } from '../std/std.ts'
import { formatPath, type Path } from './faults.ts'
import { withoutPasswords } from './passwords.ts'

export type ChangeReach = 'sitter' | 'gate' | 'swarm'

export interface ConfigChange {
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** Short JSON, passwords hidden; absent on the side where there is nothing. */
  readonly before?: string
  readonly after?: string
  /** Who must begin anew for it: sitter, gate (and sitter), or the whole swarm by down and up. */
  readonly reach: ChangeReach
}
export interface ConfigPlan {
  readonly changes: readonly ConfigChange[]
  /** `none` = nothing changes; `swarm` = cannot be applied to a running swarm. */
  readonly restarts: 'none' | 'sitter' | 'sitter and gate' | 'swarm'
  /** Agent types whose own settings change; with a restart of the sitter every agent starts anew, these or not. */
  readonly agentTypes: readonly string[]
  /** For people, one sentence each. */
  readonly effects: readonly string[]
}

const deepest = 64
const longestShown = 200

type Plain = Readonly<Record<string, unknown>>

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value)

const shown = (value: unknown): string => {
  const text = canonicalJson(withoutPasswords(value))
  return text.length > longestShown ? `${text.slice(0, longestShown - 1)}…` : text
}

/** The key is read as own property only: no name reaches a prototype. */
const own = (value: Plain, key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined)

const same = (before: unknown, after: unknown): boolean =>
  before === after || (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after))

const gateParts = new Set(['upstreams', 'credentials'])
const wholeParts = new Set(['name', 'store', 'bus', 'rehearsal', 'api'])

const reachOf = ([part]: Path): ChangeReach => {
  if (wholeParts.has(String(part))) return 'swarm'
  return gateParts.has(String(part)) ? 'gate' : 'sitter'
}

/** Differences by path, in the order of the names; lists are compared as a whole. */
const differences = (before: unknown, after: unknown, path: Path = []): ConfigChange[] => {
  if (same(before, after)) return []
  if (isPlain(before) && isPlain(after) && path.length < deepest) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
    return keys.flatMap((key) => differences(own(before, key), own(after, key), [...path, key]))
  }
  const change = { path: formatPath(path), reach: reachOf(path) }
  if (before === undefined) return [{ ...change, kind: 'added', after: shown(after) }]
  if (after === undefined) return [{ ...change, kind: 'removed', before: shown(before) }]
  return [{ ...change, kind: 'changed', before: shown(before), after: shown(after) }]
}

/** `$schema` plays no part. */
const changesOf = (before: unknown, after: unknown): readonly ConfigChange[] =>
  differences(before, after).filter(({ path }) => path !== '$schema')

export const formatChange = ({ path, kind, before, after }: ConfigChange): string => {
  if (kind === 'added') return `+ ${path} = ${after}`
  return kind === 'removed' ? `- ${path} (was ${before})` : `~ ${path}: ${before} → ${after}`
}

const restartsOf = (changes: readonly ConfigChange[]): ConfigPlan['restarts'] => {
  if (changes.length === 0) return 'none'
  if (changes.some(({ reach }) => reach === 'swarm')) return 'swarm'
  return changes.some(({ reach }) => reach === 'gate') ? 'sitter and gate' : 'sitter'
}

const agentType = ({ path }: ConfigChange): string[] => {
  const found = /^agents\.([a-z][a-z0-9-]*)/.exec(path)?.[1]
  return found === undefined ? [] : [found]
}

const sentences: Record<ConfigPlan['restarts'], string> = {
  none: 'nothing changes',
  sitter: 'the sitter begins anew: every agent starts again, running attempts end within 30 s or are given out anew',
  'sitter and gate':
    'sitter and gate begin anew: every agent starts again, calls under way have 10 s to end and are recorded',
  swarm: 'it cannot be applied to a running swarm: `sitter down`, then `sitter up` with the new file',
}

/** The plan from one raw value to another; both must have been checked. */
export const planChange = (before: unknown, after: unknown): ConfigPlan => {
  const changes = changesOf(before, after)
  const restarts = restartsOf(changes)
  const agentTypes = [...new Set(changes.flatMap(agentType))].toSorted()
  const whole = changes.filter(({ reach }) => reach === 'swarm').map(({ path }) => path)
  return {
    changes,
    restarts,
    agentTypes,
    effects: [
      sentences[restarts],
      ...(whole.length === 0 ? [] : [`what only a new start reaches: ${whole.join(', ')}`]),
      ...(agentTypes.length === 0 ? [] : [`agent types with new settings: ${agentTypes.join(', ')}`]),
    ],
  }
}
