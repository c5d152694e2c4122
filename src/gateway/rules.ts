/**
 * Other rules for a gate that runs. An upstream that is the same stays as it is; one whose address is the same keeps
 * its connections; the connections of any other take nothing more and close when what is under way has ended. Calls
 * that wait are looked at again by the new rules before they are sent.
 */
import { canonicalJson, type Clock } from '../std/std.ts'
import { domainPlace, type Buckets } from '../limit/limit.ts'
import type { OpenUpstream } from './call.ts'
import type { Profile, SwarmLimit, UpstreamLimit } from '../model/model.ts'
import { openPrice } from './cost/price.ts'
import { openOutbound } from './outbound.ts'
import { parseRoute, routeMatches } from './path.ts'
import type { Rules, UpstreamRule } from './ports.ts'

export interface OpenRules {
  readonly upstreams: ReadonlyMap<string, OpenUpstream>
  take(rules: Rules): void
  /** Closes all connections, those of former upstreams too. */
  close(): Promise<void>
}

const credentialOf = (rule: UpstreamRule, rules: Rules): OpenUpstream['credential'] =>
  rule.credential === null ? null : (rules.credentials[rule.credential] ?? { name: rule.credential, pool: [] })

const overOf = ({ name }: UpstreamRule, { limits = {} }: Rules): readonly SwarmLimit[] =>
  Object.values(limits).filter(({ upstreams }) => upstreams.length === 0 || upstreams.includes(name))

// Prices are bigint, which is no JSON.
const textOf = (value: unknown): string =>
  canonicalJson(JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one))))
const same = (one: unknown, other: unknown): boolean => textOf(one) === textOf(other)

const sameAddress = (one: UpstreamRule, other: UpstreamRule): boolean =>
  one.url === other.url && same(one.grant, other.grant) && (one.ca ?? null) === (other.ca ?? null)

/** The limits of an upstream with their patterns read once. */
export const weighing = (limits: readonly UpstreamLimit[]): OpenUpstream['weigh'] => {
  const read = new Map(
    limits.map((rule) => [
      rule,
      {
        match: rule.match.map(parseRoute),
        weights: 'rate' in rule ? rule.weights.map(({ match, weight }) => ({ route: parseRoute(match), weight })) : [],
      },
    ]),
  )
  return (rule, method, segments) => {
    const { match, weights } = read.get(rule)!
    if (match.length > 0 && !match.some((one) => routeMatches(one, method, segments))) return 0
    return weights.find(({ route }) => routeMatches(route, method, segments))?.weight ?? 1
  }
}

/** What calls count by the profile, its patterns read once. */
export const counting = (profile: Profile | null): OpenUpstream['counts'] => {
  if (profile?.counts === undefined) return undefined
  const kinds = Object.entries(profile.counts).map(
    ([begins, counts]) =>
      [begins, Object.entries(counts).map(([text, count]) => ({ route: parseRoute(text), count }))] as const,
  )
  return (method, segments) =>
    Object.fromEntries(
      kinds.map(([begins, counts]) => [
        begins,
        counts.find(({ route }) => routeMatches(route, method, segments))?.count ?? 0,
      ]),
    )
}

const placeOf = ({ url, domain }: UpstreamRule): string =>
  domain === undefined ? new URL(url).host : domainPlace(domain)

export const openRules = (options: { readonly clock: Clock; readonly buckets: Buckets }): OpenRules => {
  const { clock, buckets } = options
  const upstreams = new Map<string, OpenUpstream>()
  const retiring = new Set<Promise<void>>()

  const retire = ({ outbound }: OpenUpstream): void => {
    const retired = outbound.retire().catch(() => {
      /* what was under way has told its own end */
    })
    retiring.add(retired)
    void retired.finally(() => retiring.delete(retired))
  }
  const open = (rule: UpstreamRule, rules: Rules, before: OpenUpstream | undefined): OpenUpstream => {
    const keeps = before !== undefined && sameAddress(before.rule, rule)
    if (before !== undefined && !keeps) retire(before)
    return {
      rule,
      credential: credentialOf(rule, rules),
      allow: rule.allow.map(parseRoute),
      money: rule.money.map(parseRoute),
      safe: (rule.retries?.safe ?? []).map(parseRoute),
      host: new URL(rule.url).host,
      place: placeOf(rule),
      over: overOf(rule, rules),
      weigh: weighing(rule.limits),
      counts: counting(rule.profile),
      listing: (rule.profile?.limitsIn ?? []).map(parseRoute),
      price: openPrice(rule.price),
      outbound: keeps ? before.outbound : openOutbound(rule, clock),
    }
  }
  const isSame = (before: OpenUpstream, rule: UpstreamRule, rules: Rules): boolean =>
    same(before.rule, rule) &&
    same(before.credential, credentialOf(rule, rules)) &&
    same(before.over, overOf(rule, rules))
  let limits: Rules['limits']
  const renewOver = (next: Rules['limits'] = {}): void => {
    for (const limit of Object.values(next)) {
      const before = limits?.[limit.name]
      if (before === undefined || !same(before, limit)) buckets.renewOver(limit)
    }
  }
  let first = true
  return {
    upstreams,
    take: (rules) => {
      for (const [name, before] of upstreams) {
        if (Object.hasOwn(rules.upstreams, name)) continue
        upstreams.delete(name)
        retire(before)
      }
      for (const rule of Object.values(rules.upstreams)) {
        const before = upstreams.get(rule.name)
        if (before && isSame(before, rule, rules)) continue
        // The first rules of a gate go on with the buckets that it saved.
        if (!first && !(before && same(before.rule.limits, rule.limits)))
          buckets.renew({ name: rule.name, host: placeOf(rule) }, rule.limits)
        upstreams.set(rule.name, open(rule, rules, before))
      }
      if (!first) renewOver(rules.limits)
      limits = rules.limits
      first = false
    },
    close: async () => {
      await Promise.all([...upstreams.values()].map(({ outbound }) => outbound.close()))
      await Promise.all(retiring)
    },
  }
}
