/**
 * What a change of an agent type means for its agents. Pure, and the only place that says it: the plan that people read
 * and the fleet that acts ask the same function.
 */
import { canonicalJson } from '../std/std.ts'
import type { AgentType } from './swarm.ts'

export interface AgentTypeChange {
  readonly type: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** How many there are before and after. */
  readonly from: number
  readonly to: number
  /** Agents that begin anew: all that stay, when a setting changes that holds from the start of a process. */
  readonly restarts: number
  /** The settings for which they do; empty when none does. */
  readonly because: readonly Setting[]
  /** Settings that running agents take over as they are. */
  readonly live: readonly Setting[]
}

/** The parts of `cell`: `cell` itself is its kind, and no agent lives in what stands by. */
type CellPart = Exclude<keyof AgentType['cell'], 'kind'>
export type Setting = Exclude<keyof AgentType, 'name' | 'count'> | CellPart

/**
 * What holds from the start of an agent, beside what is looked at again each time it matters. A list of all settings,
 * so that a new one cannot be forgotten.
 */
const fromTheStart: Readonly<Record<Setting, boolean>> = {
  run: true,
  cell: true,
  orWeaker: true,
  nearMoney: false,
  walls: true,
  readable: true,
  user: true,
  vm: true,
  standby: false,
  perCell: true,
  memoryBytes: true,
  limits: true,
  weight: false,
  config: true,
  upstreams: false,
  proxy: true,
  restart: false,
  hibernate: false,
  health: true,
  heartbeatMs: false,
  stuckAfterMs: false,
  startWithinMs: false,
  overrides: false,
  dependsOn: false,
  maxLifetimeMs: false,
  canary: false,
}
const settings = Object.keys(fromTheStart) as readonly Setting[]

const valueOf = (agentType: AgentType, setting: Setting): unknown => {
  const { cell } = agentType
  if (setting === 'cell') return cell.kind
  // Only these are refused where the machine cannot.
  if (setting === 'user') return cell.user ?? 'own'
  if (setting === 'orWeaker')
    return (cell.kind === 'sandbox' || cell.kind === 'vm' || cell.nearMoney === true) && cell.orWeaker
  if (
    setting === 'nearMoney' ||
    setting === 'walls' ||
    setting === 'readable' ||
    setting === 'vm' ||
    setting === 'standby'
  )
    return cell[setting] ?? null
  return agentType[setting] ?? null
}

const changed = (before: AgentType, after: AgentType): readonly Setting[] =>
  settings.filter((one) => canonicalJson(valueOf(before, one)) !== canonicalJson(valueOf(after, one)))

/** Settings for which an agent that was started with `before` must begin anew to be as `after` says. */
export const restartsFor = (before: AgentType, after: AgentType): readonly Setting[] =>
  changed(before, after).filter((one) => fromTheStart[one])

const changeOf = (type: string, before?: AgentType, after?: AgentType): AgentTypeChange | undefined => {
  const nothing = { type, restarts: 0, because: [], live: [] }
  if (before === undefined) return after && { ...nothing, kind: 'added', from: 0, to: after.count }
  if (after === undefined) return { ...nothing, kind: 'removed', from: before.count, to: 0 }
  const all = changed(before, after)
  if (all.length === 0 && before.count === after.count) return undefined
  const because = all.filter((one) => fromTheStart[one])
  return {
    type,
    kind: 'changed',
    from: before.count,
    to: after.count,
    restarts: because.length === 0 ? 0 : Math.min(before.count, after.count),
    because,
    live: all.filter((one) => !fromTheStart[one]),
  }
}

type Types = Readonly<Record<string, AgentType>>

/** What changes from one set of agent types to another, by name. */
export const agentTypeChanges = (before: Types, after: Types): readonly AgentTypeChange[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted().flatMap((type) => {
    const own = (types: Types): AgentType | undefined => (Object.hasOwn(types, type) ? types[type] : undefined)
    return changeOf(type, own(before), own(after)) ?? []
  })
