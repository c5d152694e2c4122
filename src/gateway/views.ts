/** What people are told of upstreams, their limits and their breakers. Looking changes nothing. */
import { failure, type Clock } from '../std/std.ts'
import type { Domain, Scope, Usage } from '../limit/limit.ts'
import type { SwarmLimit, UpstreamLimit } from '../model/model.ts'
import type { AgentLimits, GateStatus, LimitsView, LimitUsage } from '../wire/wire.ts'
import type { OpenUpstream, Room } from './call.ts'

type Seen = GateStatus['upstreams'][number]

const wallOf = (clock: Clock, monoMs: number): number => Math.round(clock.wallMs() + monoMs - clock.monoMs())

const usageOf = (clock: Clock, { used, of, freeAtMs }: Usage): LimitUsage => ({
  used,
  of,
  freeAtMs: Number.isFinite(freeAtMs) ? wallOf(clock, freeAtMs) : null,
})

const breakersOf = ({ buckets, clock }: Room, upstream: string): Seen['breakers'] =>
  buckets.breakers().flatMap((one) => {
    const { state, endpoint, credential, sinceMs, nextProbeMs, failedProbes } = one
    if (one.upstream !== upstream || state === 'closed' || sinceMs === null || nextProbeMs === null) return []
    const times = { sinceMs: wallOf(clock, sinceMs), nextProbeMs: wallOf(clock, nextProbeMs) }
    return [{ endpoint, credential, state, failedProbes, ...times }]
  })

const pausedOf = ({ buckets, clock }: Room, { rule: { name }, place: host }: OpenUpstream): Seen['paused'] =>
  buckets.held({ name, host }).map((one) => ({ ...one, untilMs: wallOf(clock, one.untilMs) }))

/** With the credential that would be used now; none is chosen by this. */
const scopeOf = ({ vault }: Room, { rule, credential, place: host }: OpenUpstream): Scope => {
  const version = credential === null ? undefined : vault.look(credential)
  return { upstream: rule.name, host, credential: version?.name ?? null, agent: null }
}

const rateOf = (limit: UpstreamLimit): string =>
  'rate' in limit ? `${limit.rate.count}/${limit.rate.windowMs / 1_000}s` : `${limit.concurrent} at once`

const limitsOf = (room: Room, upstream: OpenUpstream, scope: Scope): Seen['limits'] => {
  const { clock, buckets, lines } = room
  const { limits, name } = upstream.rule
  const leftMs = buckets.pausedUntil(scope) - clock.monoMs()
  const usage = buckets.usage(limits, scope)
  const seen = (limit: UpstreamLimit, one: Usage | null): Seen['limits'][number] => ({
    per: limit.per,
    rate: rateOf(limit),
    pausedUntilMs: leftMs > 0 ? clock.wallMs() + leftMs : null,
    waiting: lines.waiting(name),
    usage: one === null ? null : usageOf(clock, one),
  })
  return [
    ...limits.map((limit, index) => seen(limit, usage[index] ?? null)),
    ...upstream.over.map((limit) => ({ ...seen(limit, buckets.swarmUsage(limit)), over: limit.name })),
  ]
}

export const upstreamsSeen = (room: Room): readonly Seen[] =>
  [...room.upstreams.values()].map((upstream) => {
    const { rule, credential } = upstream
    const scope = scopeOf(room, upstream)
    return {
      name: rule.name,
      ...room.meter.figures(rule.name),
      limits: limitsOf(room, upstream, scope),
      learned: room.buckets
        .known(scope, Object.keys(rule.profile?.counts ?? {}))
        .map((one) => ({ ...one, untilMs: wallOf(room.clock, one.untilMs) })),
      paused: pausedOf(room, upstream),
      paces: room.buckets.paces(rule.name),
      unsigned: credential !== null && scope.credential === null,
      breakers: breakersOf(room, rule.name),
    }
  })

/** @throws Failure `not-found` */
export const limitsSeen = (room: Room, name: string): LimitsView => {
  const upstream = room.upstreams.get(name)
  if (upstream === undefined) throw failure('not-found', `there is no upstream ${name.slice(0, 80)}`)
  const { clock, buckets, lines } = room
  const told = (one: Domain) => ({ per: one.per, owner: one.owner, ...usageOf(clock, one) })
  return {
    domains: [
      ...buckets.domains(upstream.rule.limits, scopeOf(room, upstream)).map(told),
      ...upstream.over.flatMap((limit) =>
        buckets.swarmDomains(limit).map((one) => ({ ...told(one), over: limit.name })),
      ),
    ],
    waiting: lines.waitingBy(name),
  }
}

/** Limits over upstreams as they stand for one agent, by their names. */
export const limitsOfAgent = ({ upstreams, buckets, clock }: Room, agent: string): AgentLimits => {
  const all = new Map<string, SwarmLimit>()
  for (const { over } of upstreams.values()) for (const limit of over) all.set(limit.name, limit)
  return [...all.values()]
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((limit) => {
      const found = buckets.swarmOf(limit, agent)
      if (found === null) return []
      const { name, per, upstreams: to } = limit
      return [{ name, per, owner: found.owner, rate: rateOf(limit), upstreams: to, ...usageOf(clock, found) }]
    })
}
