/**
 * Whether what a refused call waits for is open now, and for how many. A refusal that time alone, or somebody's act,
 * ends says what has to open (`waitsFor`); its task keeps that in the record, and the sitter asks here about all that
 * tasks wait for, as often as it likes. The answer is what a call that comes now would meet, so no change can be missed
 * and nothing needs to be remembered. It reserves nothing: whoever comes is admitted like all others.
 *
 *   call <upstream>                    nothing is frozen, and there is room in its line
 *   call <upstream> <METHOD> <path>    the same, and the breaker of this endpoint class lets calls through
 *   budget <name> <owner>              the budget has something left, or is gone
 */
import type { UpstreamLimit } from '../model/model.ts'
import type { Scope } from '../limit/limit.ts'
import type { CallInHand, OpenUpstream, Room } from './call.ts'

/** As long as the sitter takes of such a text. */
const longest = 200
/** Of those who wait for a budget, whose calls go to any upstream. */
const budgetLot = 50

export const kindOfUpstream = (upstream: string): string => `call ${upstream}`

export const kindOfCall = ({ upstreamName, endpoint }: Pick<CallInHand, 'upstreamName' | 'endpoint'>): string => {
  const kind = `${kindOfUpstream(upstreamName)} ${endpoint}`
  return /^[ -~]+$/.test(kind) && kind.length <= longest ? kind : kindOfUpstream(upstreamName)
}

export const kindOfBudget = (budget: string, owner: string): string => `budget ${budget} ${owner}`

/** With the credential that a call would be sent with now; undefined when it needs one and there is none. */
const scopeNow = (
  { vault, buckets, clock }: Room,
  { rule, credential, place: host }: OpenUpstream,
): Scope | undefined => {
  const scope = { upstream: rule.name, host, agent: null }
  if (credential === null) return { ...scope, credential: null }
  const version = vault.look(credential, (name) =>
    Math.max(0, buckets.pausedUntil({ ...scope, credential: name }) - clock.monoMs()),
  )
  return version && { ...scope, credential: version.name }
}

/** Calls that its breakers let through: one is a probe. */
const throughBreakers = ({ buckets, clock }: Room, { upstream, credential }: Scope, endpoint: string): number => {
  const mine = buckets
    .breakers()
    .filter(
      (one) =>
        one.upstream === upstream &&
        one.credential === credential &&
        one.state !== 'closed' &&
        (endpoint === '' || one.endpoint === endpoint),
    )
  if (mine.length === 0) return Infinity
  return mine.every(({ state, nextProbeMs }) => state === 'open' && nextProbeMs! <= clock.monoMs()) ? 1 : 0
}

/** Limits of one agent or type are not asked: whose task waits for them waits for its time. */
const isCommon = ({ per }: UpstreamLimit): boolean => per !== 'agent' && per !== 'type'

/** `taken`: of each line, by what was asked before. */
const forCalls = (room: Room, name: string, endpoint: string, taken: Map<string, number>): number => {
  const upstream = room.upstreams.get(name)
  if (upstream === undefined || room.frozen() || room.ending()) return 0
  const scope = scopeNow(room, upstream)
  if (scope === undefined || (scope.credential !== null && room.uses.behind())) return 0
  const through = upstream.rule.breaker === null ? Infinity : throughBreakers(room, scope, endpoint)
  if (through === 0) return 0
  const [method = '', path = '/'] = endpoint.split(' ')
  const segments = path.slice(1).split('/')
  const { limits, learn, profile, parkAfterMs } = upstream.rule
  const weigh = (rule: UpstreamLimit): number => (isCommon(rule) ? upstream.weigh(rule, method, segments) : 0)
  const watching = { endpoint, learn, breaker: null, weigh, perHost: profile?.perHost }
  const gauges = [...room.buckets.applied(limits, scope, watching), ...room.buckets.overUpstreams(upstream.over, scope)]
  // Half of the line stays for whoever comes by itself.
  const vacant = room.lines.vacant(scope, gauges, parkAfterMs / 2)
  const line = `${name}\n${scope.credential ?? ''}`
  const left = Math.max(0, Math.min(through, vacant - (taken.get(line) ?? 0)))
  taken.set(line, (taken.get(line) ?? 0) + left)
  return left
}

/** For how many each of these is open now, in their order; at most `most`. Of what is no such text: none. */
export const vacanciesOf = (room: Room, kinds: readonly string[], most: number): readonly number[] => {
  const taken = new Map<string, number>()
  return kinds.map((kind) => {
    const [what, name = '', ...more] = kind.split(' ')
    if (what === 'budget') return room.budgets.hasLeft(name, more.join(' ')) ? Math.min(most, budgetLot) : 0
    return what === 'call' ? Math.min(most, forCalls(room, name, more.join(' '), taken)) : 0
  })
}
