/** `upstream` and `channel`: what the swarm reaches outside, and how it pays. */
import type { ChannelAnswer, LimitUsage, List, UpstreamAnswer, UpstreamShown } from '../api.ts'
import { required } from './asking.ts'
import { facts, section } from './story.ts'
import { age, count, duration, plain, tally } from './text.ts'
import type { Deed } from './verb.ts'

const percentilesText = (ms: UpstreamAnswer['latencyMs']): string =>
  ms === null ? 'none seen' : `${duration(ms.p50)} / ${duration(ms.p95)} / ${duration(ms.p99)}`
const latencyText = ({ latencyMs }: UpstreamAnswer): string => percentilesText(latencyMs)

/** `20/1s` → `20/s`. */
export const rateText = (rate: string): string => rate.replace(/\/1(?=[a-z])/, '/')

/** `201 × 20`: a status is a name, its number must not look like one more of them. */
const statusText = ({ byStatus }: UpstreamAnswer): string =>
  Object.entries(byStatus)
    .map(([status, number]) => `${plain(status)} × ${count(number)}`)
    .join(', ') || 'none'

const breakerText =
  (nowMs: number) =>
  ({ endpoint, credential, state, sinceMs, nextProbeMs, failedProbes }: UpstreamAnswer['breakers'][number]): string => {
    const by = credential === null ? '' : ` by ${credential}`
    const next = state === 'half-open' ? 'its probe is under way' : `next probe in ${age(nextProbeMs, nowMs)}`
    return plain(`${endpoint}${by}: ${state} for ${age(nowMs, sinceMs)}, ${count(failedProbes)} probes failed, ${next}`)
  }

/** Closed ones are not told of: whoever reads the list looks for what is wrong. */
const stateText = ({ breakers }: UpstreamAnswer): string =>
  breakers.length === 0 ? 'closed' : [...new Set(breakers.map(({ state }) => state))].join(', ')

const perText = ({ per, over }: Pick<UpstreamAnswer['limits'][number], 'per' | 'over'>): string =>
  over === undefined ? `per ${per}` : `per ${per} over upstreams (${over})`

const limitText = ({ limits }: UpstreamAnswer): string =>
  limits.map((limit) => `${rateText(limit.rate)} ${perText(limit)}`).join(', ')

export const freeText = ({ used, of, freeAtMs }: LimitUsage, nowMs: number): string => {
  const free =
    freeAtMs === null ? 'free with the next answer' : freeAtMs <= nowMs ? 'free' : `free in ${age(freeAtMs, nowMs)}`
  return `${count(used)} of ${count(of)} used, ${free}`
}

/** The longest of them; a ban whose end is to be tried is one as well. */
const pausedText = ({ paused }: UpstreamAnswer, nowMs: number): string => {
  const [first] = paused
  if (first === undefined) return 'no'
  return first.untilMs > nowMs ? `for ${age(first.untilMs, nowMs)}` : 'until one call was answered'
}

const whyPaused = { asked: 'as the upstream asked', banned: 'banned by the upstream' } as const

const pausedLine =
  (nowMs: number) =>
  ({ whose, credential, why, untilMs }: UpstreamAnswer['paused'][number]): string => {
    const who = whose === 'address' ? 'all from this address' : `calls by ${credential ?? 'no credential'}`
    const until = untilMs > nowMs ? `for ${age(untilMs, nowMs)}` : 'until one call was answered'
    return plain(`${who}: ${until}, ${whyPaused[why]}`)
  }

const paceLine = ({ credential, perSecond }: UpstreamAnswer['paces'][number]): string =>
  plain(`calls by ${credential ?? 'no credential'}: ${perSecond.toPrecision(3)} a second, because it refused more`)

/** Those of one owner are lines of their own below. */
const limitLine =
  (nowMs: number) =>
  ({ waiting, usage, ...limit }: UpstreamAnswer['limits'][number]): string => {
    const used = usage === null ? '' : `${freeText(usage, nowMs)}, `
    return plain(`${rateText(limit.rate)} ${perText(limit)}: ${used}${count(waiting)} waiting`)
  }

/** Places for calls at once (`peak at once`) come back with the calls that have them, and not with a window. */
const learnedLine =
  (nowMs: number) =>
  ({ name, left, untilMs }: UpstreamAnswer['learned'][number]): string => {
    const leftText = left === null ? 'some' : count(left)
    return plain(
      name.endsWith(' at once')
        ? `${name}: ${leftText} more`
        : `${name}: ${leftText} left, anew in ${age(untilMs, nowMs)}`,
    )
  }

const ownerLines = ({ domains }: UpstreamShown, nowMs: number): readonly string[] =>
  domains
    .filter(({ owner, used }) => owner !== '' && used > 0)
    .map((one) => plain(`${one.owner} (${perText(one)}): ${freeText(one, nowMs)}`))

export const upstreamList: Deed = async ({ api, printer, world }) => {
  const nowMs = world.clock.wallMs()
  const { items } = await (await api()).get<List<UpstreamAnswer>>('/api/v1/upstreams')
  printer.list(items, (one) => one.name, [
    { head: 'UPSTREAM', value: (one) => one.name },
    { head: 'ADDRESS', value: (one) => one.url, shrink: true },
    { head: 'CREDENTIAL', value: (one) => one.credential ?? 'none' },
    { head: 'LIMITS', value: limitText, shrink: true },
    { head: 'PAUSED', value: (one) => pausedText(one, nowMs) },
    { head: 'BREAKER', value: stateText },
    { head: 'CALLS', value: (one) => count(one.calls), align: 'right' },
    { head: 'STATUS', value: statusText, shrink: true },
    { head: 'P50 / P95 / P99', value: latencyText },
  ])
  return 0
}

export const upstreamShow: Deed = async (invocation) => {
  const { printer, world } = invocation
  const name = required(invocation, 0)
  const api = await invocation.api()
  const one = await api.get<UpstreamShown>(`/api/v1/upstreams/${encodeURIComponent(name)}`)
  const nowMs = world.clock.wallMs()
  printer.show(one, () => [
    ...facts([
      ['upstream', plain(one.name)],
      ['address', plain(one.url)],
      ['credential', one.credential === null ? 'none' : plain(one.credential)],
      ['calls', `${count(one.calls)}: ${statusText(one)}`],
      ['latency', `${latencyText(one)} (p50 / p95 / p99)`],
      ['wait', `${percentilesText(one.waitMs)} (p50 / p95 / p99)`],
    ]),
    ...section('paused', one.paused.map(pausedLine(nowMs))),
    ...section('pace that was found', one.paces.map(paceLine)),
    ...section('limits', one.limits.map(limitLine(nowMs))),
    ...section('used by', ownerLines(one, nowMs)),
    ...section(
      'waiting',
      one.waiting.map(({ agent, waiting }) => plain(`${agent}: ${count(waiting)}`)),
    ),
    ...section('left by its own word', one.learned.map(learnedLine(nowMs))),
    ...section('breakers', one.breakers.map(breakerText(nowMs))),
    ...section('allowed', one.allow.map(plain)),
    ...section('only by grant (money)', one.money.map(plain)),
  ])
  return 0
}

export const channelList: Deed = async ({ api, printer }) => {
  const { items } = await (await api()).get<List<ChannelAnswer>>('/api/v1/channels')
  printer.list(items, (one) => one.name, [
    { head: 'CHANNEL', value: (one) => one.name },
    { head: 'KIND', value: (one) => one.kind },
    { head: 'UPSTREAM', value: (one) => one.upstream },
    { head: 'PAYS', value: (one) => one.pay, shrink: true },
    { head: 'UNKNOWN IS RESOLVED BY', value: (one) => one.resolve ?? 'a person', shrink: true },
    { head: 'SETTLEMENTS', value: (one) => tally(one.settlements), shrink: true },
  ])
  return 0
}
