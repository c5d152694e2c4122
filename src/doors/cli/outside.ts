/** `upstream` and `channel`: what the swarm reaches outside, and how it pays. */
import type { ChannelAnswer, List, UpstreamAnswer } from '../api.ts'
import { required } from './asking.ts'
import { facts, section } from './story.ts'
import { age, count, duration, plain, tally } from './text.ts'
import type { Deed } from './verb.ts'

const latencyText = ({ latencyMs }: UpstreamAnswer): string =>
  latencyMs === null
    ? 'none seen'
    : `${duration(latencyMs.p50)} / ${duration(latencyMs.p95)} / ${duration(latencyMs.p99)}`

/** `20/1s` → `20/s`. */
const rateText = (rate: string): string => rate.replace(/\/1(?=[a-z])/, '/')

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

const limitText = ({ limits }: UpstreamAnswer): string =>
  limits.map(({ rate, per }) => `${rateText(rate)} per ${per}`).join(', ')

export const upstreamList: Deed = async ({ api, printer }) => {
  const { items } = await (await api()).get<List<UpstreamAnswer>>('/api/v1/upstreams')
  printer.list(items, (one) => one.name, [
    { head: 'UPSTREAM', value: (one) => one.name },
    { head: 'ADDRESS', value: (one) => one.url, shrink: true },
    { head: 'CREDENTIAL', value: (one) => one.credential ?? 'none' },
    { head: 'LIMITS', value: limitText, shrink: true },
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
  const one = await api.get<UpstreamAnswer>(`/api/v1/upstreams/${encodeURIComponent(name)}`)
  const nowMs = world.clock.wallMs()
  printer.show(one, () => [
    ...facts([
      ['upstream', plain(one.name)],
      ['address', plain(one.url)],
      ['credential', one.credential === null ? 'none' : plain(one.credential)],
      ['calls', `${count(one.calls)}: ${statusText(one)}`],
      ['latency', `${latencyText(one)} (p50 / p95 / p99)`],
    ]),
    ...section(
      'limits',
      one.limits.map(({ rate, per, waiting, pausedUntilMs }) => {
        const isPaused = pausedUntilMs !== null && pausedUntilMs > nowMs
        const paused = isPaused ? `, paused for ${age(pausedUntilMs, nowMs)} as the upstream asked` : ''
        return plain(`${rateText(rate)} per ${per}: ${count(waiting)} waiting${paused}`)
      }),
    ),
    ...section(
      'left by its own word',
      one.learned.map(({ name: limit, left, untilMs }) =>
        plain(`${limit}: ${left === null ? 'some' : count(left)} left, anew in ${age(untilMs, nowMs)}`),
      ),
    ),
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
