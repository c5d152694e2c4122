/** The parts of the schema that say how much there may be: of calls, of one upstream and over all, and of machines. */
import { z } from 'zod'
import type { SwarmLimit, UpstreamLimit } from '../model/model.ts'
import { parseRate } from '../std/std.ts'
import { faultAt, show, type ConfigFault, type Path } from './faults.ts'
import { valueAt } from './issues.ts'
import { entriesAt, namesAt, refers, textAt } from './raw.ts'
import { pattern, rate, share, size, whole } from './shapes.ts'

/** What a limit lets through. */
const pace = {
  rate: rate.optional(),
  /** Instead of a rate: calls at the upstream at once. */
  concurrent: whole(1, 100_000, 'a number of calls at once').optional(),
  /**
   * `smooth`: spread over the window but for its burst. `sliding`: all at once if need be, then none until those are a
   * window old. Neither ever shows the provider more than the rate in any window, its own aligned ones included.
   */
  window: z.enum(['smooth', 'sliding']).default('smooth'),
  /** Requests that may go at once; they lie inside the rate. A tenth of it when absent. */
  burst: whole(1, 1_000_000_000, 'a burst').optional(),
  /** Part of the rate that is left free for jitter on the way. */
  guard: share.refine((part) => part <= 0.9, 'a share from 0 to 0.9').default(0.05),
}

export const upstreamLimit = z.strictObject({
  /** Whose calls are counted together; `host` = of all upstreams at this address, as a provider counts addresses. */
  per: z.enum(['credential', 'upstream', 'host', 'type', 'agent']),
  /** The calls that it is for; all when absent. */
  match: z.array(pattern).max(100).default([]),
  ...pace,
  /** What calls weigh that weigh more than one; the first pattern that fits counts. */
  weights: z
    .record(pattern, whole(1, 1_000_000, 'a weight'))
    .default({})
    .transform((weights) => Object.entries(weights).map(([match, weight]) => ({ match, weight }))),
})

export const swarmLimit = z.strictObject({
  /** Whose calls are counted together, whatever upstream they go to. */
  per: z.enum(['agent', 'type', 'swarm']),
  ...pace,
  /** Agent types whose calls count; all when absent. */
  types: z.array(z.string()).max(1_000).default([]),
  /** Upstreams to which calls count; all when absent. */
  upstreams: z.array(z.string()).max(1_000).default([]),
})

/** What one cell may use, and how often its agents may call. */
export const agentLimits = z.strictObject({
  memory: size.default(256_000_000),
  /** Cores, in parts. One for a program, as many as there are for a pool host, when absent. */
  cpu: z
    .union([z.number(), z.null()], 'a number of cores like 0.5, or null for no bound')
    .refine((cores) => cores === null || (cores >= 0.01 && cores <= 1_024), 'a number of cores from 0.01 to 1024')
    .optional(),
  /** Processes and threads at once. */
  pids: whole(8, 100_000, 'a number of processes').default(64),
  /** What a sandbox or a pool host behind walls may write, in memory; 64 MB when absent. */
  disk: size.optional(),
  /** Open files of each process. 256 for a program, 4,096 for a pool host, when absent. */
  files: whole(32, 1_000_000, 'a number of open files').optional(),
  /** Calls of each agent, whatever upstreams they go to: `limits` with `per: 'agent'` says more. */
  calls: rate.optional(),
})

type Given = z.output<typeof upstreamLimit>

export const toLimit = ({ per, match, rate: of, concurrent, burst, guard, window, weights }: Given): UpstreamLimit => {
  // Without either it is no limit: the checks between the parts have refused it.
  if (of === undefined) return { per, match, concurrent: concurrent! }
  return { per, match, rate: of, burst: burst ?? usualBurst(of), guard, window, weights }
}

const usualBurst = ({ count }: { readonly count: number }): number => Math.max(1, Math.floor(count / 10))

/** Those over upstreams, and what is written at agent types. */
export const toSwarmLimits = (parsed: {
  readonly limits: Readonly<Record<string, z.output<typeof swarmLimit>>>
  readonly agents: Readonly<Record<string, { readonly limits: z.output<typeof agentLimits> }>>
}): Readonly<Record<string, SwarmLimit>> => {
  const all = Object.entries(parsed.limits).map(([name, given]): SwarmLimit => {
    const { per, rate: of, concurrent, burst, guard, window, types, upstreams } = given
    const whose = { name, per, match: [], types, upstreams }
    if (of === undefined) return { ...whose, concurrent: concurrent! }
    return { ...whose, rate: of, burst: burst ?? usualBurst(of), guard, window, weights: [] }
  })
  for (const [type, { limits }] of Object.entries(parsed.agents)) {
    if (limits.calls === undefined) continue
    const whose = { name: `agents.${type}`, per: 'agent' as const, match: [], types: [type], upstreams: [] }
    const { guard, window } = swarmLimit.parse({ per: 'agent' })
    all.push({ ...whose, rate: limits.calls, burst: usualBurst(limits.calls), guard, window, weights: [] })
  }
  return Object.assign(Object.create(null), Object.fromEntries(all.map((one) => [one.name, one])))
}

/** What contradicts itself within one limit. */
const withinFaults = (raw: unknown, path: Path): readonly ConfigFault[] => {
  const of = parseRate(textAt(raw, [...path, 'rate']) ?? '')
  const burst = Number(valueAt(raw, [...path, 'burst']) ?? 1)
  const has = (key: string): boolean => valueAt(raw, [...path, key]) !== undefined
  if (has('rate') === has('concurrent'))
    return [faultAt(path, has('rate') ? 'both of them' : 'neither of them', 'either a rate or a number in concurrent')]
  if (has('concurrent')) {
    return ['burst', 'guard', 'window', 'weights']
      .filter(has)
      .map((key) => faultAt([...path, key], 'it beside concurrent', 'it at a rate alone: calls at once have no window'))
  }
  const heaviest = Math.max(1, ...entriesAt(raw, [...path, 'weights']).map(([, weight]) => Number(weight) || 1))
  // A weight of 1 is every call's: a rate of one call a window holds it.
  if (of && heaviest > 1 && heaviest >= of.count * 0.95)
    return [faultAt([...path, 'weights'], show(heaviest), `weights that the rate of ${of.count} can hold`)]
  if (of && burst > of.count)
    return [faultAt([...path, 'burst'], show(burst), `at most the rate's ${of.count}: a burst lies inside the rate`)]
  return []
}

export const upstreamLimitFaults = (raw: unknown, upstream: string): readonly ConfigFault[] =>
  entriesAt(raw, ['upstreams', upstream, 'limits']).flatMap(([index]) => {
    const path: Path = ['upstreams', upstream, 'limits', Number(index)]
    const within = withinFaults(raw, path)
    if (within.length > 0) return within
    return textAt(raw, [...path, 'per']) === 'credential' &&
      (valueAt(raw, ['upstreams', upstream, 'credentials']) ?? null) === null
      ? [faultAt([...path, 'per'], '"credential"', 'an upstream with credentials, or "upstream" or "agent"')]
      : []
  })

export const swarmLimitFaults = (raw: unknown): readonly ConfigFault[] =>
  namesAt(raw, 'limits').flatMap((name) => [
    ...withinFaults(raw, ['limits', name]),
    ...(['types', 'upstreams'] as const).flatMap((list) =>
      entriesAt(raw, ['limits', name, list]).flatMap((_, index) =>
        refers(raw, ['limits', name, list, index], list === 'types' ? 'agents' : 'upstreams'),
      ),
    ),
  ])
