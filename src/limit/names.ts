/**
 * Under which name a limit is kept and saved: where it holds (an upstream, or `@host:port`), which rule it is, and
 * whose calls it counts.
 */
import type { LimitOwner, SwarmLimit, UpstreamLimit } from '../model/model.ts'

/** Who a call is for, as far as limits care. */
export interface Scope {
  readonly upstream: string
  /** `host:port` that the upstream stands for, or its domain. */
  readonly host?: string
  readonly credential: string | null
  readonly agent: string | null
}

export const limitPrefix = 'limit\n'

const typeOf = (agent: string | null): string => agent?.split('/', 1)[0] ?? ''

const ownerOf = (per: LimitOwner, scope: Pick<Scope, 'credential' | 'agent'>): string => {
  if (per === 'credential') return scope.credential ?? ''
  if (per === 'agent') return scope.agent ?? ''
  return per === 'type' ? typeOf(scope.agent) : ''
}

/** What a rule counts, for names that hold no place in one upstream's list. */
const hostRule = (rule: UpstreamLimit): string =>
  'rate' in rule ? `${rule.rate.count}/${rule.rate.windowMs}` : `${rule.concurrent}`

/** What stands for all hosts of a domain; no host begins so. */
const domainMark = '~'
export const domainPlace = (domain: string): string => domainMark + domain
export const isDomain = (host: string | undefined): boolean => host?.startsWith(domainMark) === true

export const hostPlace = (host: string): string => `@${host}`

export const limitName = (rule: UpstreamLimit, index: number, scope: Scope): string =>
  rule.per === 'host'
    ? `${limitPrefix}${hostPlace(scope.host ?? scope.upstream)}\n${hostRule(rule)}\nhost\n`
    : `${limitPrefix}${scope.upstream}\n${index}\n${rule.per}\n${ownerOf(rule.per, scope)}`

/** What stands for all upstreams, for one limit that is over several; no upstream begins so. */
export const swarmPlace = (limit: string): string => `=${limit}`

export const swarmPrefix = ({ name, per }: SwarmLimit): string => `${limitPrefix}${swarmPlace(name)}\n0\n${per}\n`

/** Undefined = the limit is not for this one. */
export const swarmName = (limit: SwarmLimit, agent: string | null): string | undefined => {
  const { per, types } = limit
  if (types.length > 0 && !types.includes(typeOf(agent))) return undefined
  // What the gate asks for itself is nobody's, and the swarm's.
  if (agent === null && per !== 'swarm') return undefined
  return swarmPrefix(limit) + ownerOf(per, { credential: null, agent })
}

/** What it counts is part of the name: at another share it begins with a bucket of its own. */
export const throttledName = (less: UpstreamLimit, index: number, scope: Scope, target: string): string =>
  [limitPrefix.trim(), scope.upstream, index, `throttled ${hostRule(less)}`, target, ownerOf(less.per, scope)].join(
    '\n',
  )

/** Where a limit holds. */
export const placeOf = (name: string): string => name.split('\n', 2)[1] ?? ''

/** The rule of this upstream's list that a name stands for, undefined for those of other places. */
export const ruleOf = (name: string, upstream: string, rules: readonly UpstreamLimit[]): UpstreamLimit | undefined => {
  const [, place, index, per] = name.split('\n')
  const rule = place === upstream ? rules[Number(index)] : undefined
  return rule?.per === per ? rule : undefined
}

/** Pauses, breakers and what was learned are told apart by it. */
export const scopeName = (scope: Scope): string => `${scope.upstream}\n${scope.credential ?? ''}`
/** Of such a name. */
export const credentialOf = (name: string): string | null => name.split('\n', 2)[1] || null
