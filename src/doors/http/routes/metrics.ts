/**
 * `/metrics` for Prometheus and the same as JSON. Figures are the record's and the rooms' own; what is not known (a
 * gate that does not answer) is left out, never zero. They are kept for a second, and for twenty times as long as they
 * took, so that no number of scrapers costs more than a twentieth of the sitter.
 */
import { spreadBounds, type FleetSummary } from '../../../fleet/fleet.ts'
import {
  bounded,
  counter,
  gauge,
  histogram,
  metricsText,
  recordFamilies,
  summary,
  type Family,
} from '../../../record/record.ts'
import type { MetricsAnswer } from '../../api.ts'
import { gateStatus } from '../figures.ts'
import { ok, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

const keepMs = 1_000
const keepTimes = 20

const fleetFamilies = ({ fleet }: Rooms): Family[] => {
  const { byType, cells, cellsLost, standbys, apart, admission, coverage } = fleet.summary()
  const { restarts, detection, recovery } = fleet.figures()
  const memory = [...fleet.cells(), ...fleet.standbys()].map(({ residentBytes }) => residentBytes)
  const known = memory.filter((bytes): bytes is number => bytes !== null)
  return [
    gauge(
      'sitter_agents',
      'Agents by type and state.',
      Object.entries(byType).flatMap(([type, states]) =>
        Object.entries(states).map(([state, count]) => [{ type, state }, count] as const),
      ),
    ),
    ...coverageFamilies(coverage),
    counter(
      'sitter_agent_restarts_total',
      'Restarts of agents since this sitter started, by why they were lost.',
      restarts.map(({ type, cause, count }) => [{ type, cause }, count]),
    ),
    histogram(
      'sitter_detection_seconds',
      'From the last word of a cell until it was found silent; the end of a process is told by the kernel, at once.',
      spreadBounds,
      detection,
    ),
    histogram(
      'sitter_recovery_seconds',
      'From the loss of a cell until its agents have another.',
      spreadBounds,
      recovery,
    ),
    gauge('sitter_cells', 'Processes in which agents live.', [[{}, cells]]),
    gauge('sitter_standby_hosts', 'Hosts without agents that could take over for a lost cell now.', [
      [{}, standbys.ready],
    ]),
    ...(apart === undefined
      ? []
      : [gauge('sitter_agents_apart', 'Agents that live apart, because their cell died again.', [[{}, apart]])]),
    ...hostFamilies(admission),
    counter('sitter_cells_lost_total', 'Cells that ended unasked since this sitter started.', [[{}, cellsLost]]),
    ...(known.length < memory.length
      ? []
      : [
          gauge('sitter_cells_resident_memory_bytes', 'Resident memory of all cells and standby hosts.', [
            [{}, known.reduce((sum, bytes) => sum + bytes, 0)],
          ]),
        ]),
  ]
}

/** How much of `sitter_agents` was seen, and how long ago: the age is absent while nobody reports. */
const coverageFamilies = ({ reporting, of, oldestMs, asleep }: FleetSummary['coverage']): Family[] => [
  gauge('sitter_agents_reporting', 'Agents seen in an answer of their own cell not older than three beats.', [
    [{}, reporting],
  ]),
  gauge('sitter_agents_expected', 'Agents that should report: neither asleep nor stopped by a person.', [[{}, of]]),
  ...(oldestMs === null
    ? []
    : [gauge('sitter_evidence_age_seconds', 'Age of the oldest answer among them.', [[{}, oldestMs / 1_000]])]),
  ...(asleep === undefined
    ? []
    : [gauge('sitter_agents_asleep', 'Agents that sleep and cannot report.', [[{}, asleep]])]),
]

/** What nobody could read is left out. */
const hostFamilies = ({ short, reading, startsWaiting }: FleetSummary['admission']): Family[] => {
  const stalled = Object.entries(reading?.stalled ?? {}).flatMap(([resource, share]) =>
    share === null ? [] : [[{ resource }, share] as const],
  )
  const memory = reading?.memory ?? null
  return [
    gauge('sitter_host_short', 'Whether new cells wait because the host is short of something.', [
      [{}, short === null ? 0 : 1],
    ]),
    gauge('sitter_host_starts_waiting', 'Cells that wait for their start.', [[{}, startsWaiting]]),
    gauge('sitter_host_stalled_ratio', 'Share of the last 10 s in which work waited for a resource.', stalled),
    ...(memory === null
      ? []
      : [
          gauge('sitter_host_memory_free_bytes', 'Memory that is left, of the host or of our own group.', [
            [{ of: memory.of }, memory.freeBytes],
          ]),
          gauge('sitter_host_memory_bytes', 'All memory of the host or of our own group.', [
            [{ of: memory.of }, memory.totalBytes],
          ]),
        ]),
  ]
}

/** As many upstreams as have labels; what is beyond is left out. */
const mostUpstreams = 200

/** Absent while the gate does not tell. */
const costFamilies = async ({ gatelink }: Rooms): Promise<Family[]> => {
  const ask = { by: 'upstream', sinceMs: 0, limit: mostUpstreams, offset: 0 } as const
  const told = await Promise.all([gatelink.costs(ask), gatelink.standing()]).catch(() => undefined)
  if (told === undefined) return []
  const [{ items }, { budgets }] = told
  const standing = Map.groupBy(budgets, ({ budget, state }) => JSON.stringify({ budget, state }))
  return [
    counter(
      'sitter_call_cost_total',
      'What calls have cost, in major units of the currency; of those whose cost is known.',
      items.map(({ owner, currency, cost }) => [{ upstream: owner, currency }, Number(cost)]),
    ),
    counter(
      'sitter_calls_of_unknown_cost_total',
      'Calls whose cost nobody knows.',
      items.map(({ owner, currency, unknown }) => [{ upstream: owner, currency }, unknown]),
    ),
    gauge(
      'sitter_budgets',
      'Owners of a budget that have nearly (warned) or all (spent) of it spent in its window of now.',
      [...standing].map(([labels, all]) => [JSON.parse(labels) as Record<string, string>, all.length]),
    ),
  ]
}

const inSeconds = (
  upstream: string,
  ms: { readonly p50: number; readonly p95: number; readonly p99: number } | null,
): Parameters<typeof summary>[2] =>
  ms === null
    ? []
    : [{ labels: { upstream }, count: null, p50: ms.p50 / 1_000, p95: ms.p95 / 1_000, p99: ms.p99 / 1_000 }]

const gateFamilies = async (rooms: Rooms): Promise<Family[]> => {
  const status = await gateStatus(rooms)
  if ('unknown' in status)
    return [gauge('sitter_gate_up', 'Whether the gate answers; without it its figures are absent.', [[{}, 0]])]
  const { upstreams, queued, inFlight, frozen } = status
  return [
    gauge('sitter_gate_up', 'Whether the gate answers; without it its figures are absent.', [[{}, 1]]),
    gauge('sitter_gate_frozen', 'Whether the gate sends nothing because it is frozen.', [[{}, frozen ? 1 : 0]]),
    gauge('sitter_gate_queued_calls', 'Calls that wait for a limit.', [[{}, queued]]),
    gauge('sitter_gate_in_flight_calls', 'Calls that are at an upstream.', [[{}, inFlight]]),
    counter(
      'sitter_calls_total',
      'Calls through the gate by upstream and status of the answer, from its journal.',
      upstreams.flatMap(({ name, byStatus }) =>
        Object.entries(byStatus).map(([answer, count]) => [{ upstream: name, status: answer }, count] as const),
      ),
    ),
    ...(await costFamilies(rooms)),
    gauge(
      'sitter_upstream_paused_seconds',
      "Time for which an upstream's own word holds calls back, of whoever waits longest; absent when nobody is held.",
      upstreams.flatMap(({ name, paused }) => {
        const leftMs = (paused[0]?.untilMs ?? -Infinity) - rooms.clock.wallMs()
        return leftMs > 0 ? [[{ upstream: name }, leftMs / 1_000] as const] : []
      }),
    ),
    gauge(
      'sitter_breaker_state',
      'Worst breaker of an upstream: 0 closed, 1 half-open, 2 open.',
      upstreams.map(({ name, breakers }) => [
        { upstream: name },
        breakers.some(({ state }) => state === 'open') ? 2 : breakers.length > 0 ? 1 : 0,
      ]),
    ),
    summary(
      'sitter_call_duration_seconds',
      'Time to the answer of an upstream, since the gate started.',
      upstreams.flatMap(({ name, latencyMs }) => inSeconds(name, latencyMs)),
    ),
    summary(
      'sitter_limit_wait_seconds',
      'Time for which calls to an upstream waited for its limits before they were let through, since the gate started.',
      upstreams.flatMap(({ name, waitMs }) => inSeconds(name, waitMs)),
    ),
    gauge(
      'sitter_limit_used_ratio',
      'Part of the fullest limit of an upstream that is used, of those that are not kept by agent or type.',
      upstreams.flatMap(({ name, limits }) => {
        const shares = limits.flatMap(({ usage }) => (usage === null ? [] : [usage.used / usage.of]))
        return shares.length === 0 ? [] : [[{ upstream: name }, Math.max(...shares)] as const]
      }),
    ),
  ]
}

/** Seconds to the end of each credential that has one: its provider's, or the day on which it is rotated. */
const credentialFamilies = async ({ gatelink, clock }: Rooms): Promise<Family[]> => {
  try {
    const { renewals } = await gatelink.vaultList()
    const ends = renewals.flatMap(({ name, expiresMs, dueMs }) => {
      const endMs = expiresMs ?? dueMs
      return endMs === null ? [] : [[{ credential: name }, Math.round((endMs - clock.wallMs()) / 1_000)] as const]
    })
    const help = 'Time to the end of a credential, or to its next rotation; negative when it is over.'
    return [gauge('sitter_credential_expiry_seconds', help, ends)]
  } catch {
    // Without the gate nobody knows; that it is gone is told by sitter_gate_up.
    return []
  }
}

const selfFamilies = ({ version, epoch, clock, startedMs, lag, openFiles }: Rooms): Family[] => {
  const late = lag.figures()
  const files = openFiles()
  return [
    gauge('sitter_build_info', 'Version of this sitter, and the Node that runs it.', [
      [{ version, node: process.version }, 1],
    ]),
    gauge('sitter_epoch', 'Incarnation of this sitter.', [[{}, epoch]]),
    gauge('sitter_uptime_seconds', 'Time since this sitter started.', [[{}, (clock.wallMs() - startedMs) / 1_000]]),
    gauge('sitter_resident_memory_bytes', 'Resident memory of the sitter.', [[{}, process.memoryUsage.rss()]]),
    gauge('sitter_open_files', 'Descriptors that the sitter has open.', files ? [[{}, files.open]] : []),
    gauge('sitter_open_files_limit', 'Descriptors that the sitter may have.', files ? [[{}, files.most]] : []),
    gauge(
      'sitter_event_loop_lag_seconds',
      'How late timers of the sitter were in the last 10 to 20 seconds.',
      late === null ? [] : (['p50', 'p99', 'max'] as const).map((of) => [{ of }, late[of]] as const),
    ),
  ]
}

const familiesOf = async (rooms: Rooms): Promise<readonly Family[]> =>
  bounded([
    ...selfFamilies(rooms),
    ...fleetFamilies(rooms),
    ...(await gateFamilies(rooms)),
    ...(await credentialFamilies(rooms)),
    ...(await recordFamilies(rooms.store.read, Object.keys(rooms.config.tasks), Object.keys(rooms.config.channels))),
  ])

interface Kept {
  readonly answer: Promise<MetricsAnswer>
  untilMono: number
}

/** One reading for all who ask at the same time. */
const reader = (): ((rooms: Rooms) => Promise<MetricsAnswer>) => {
  let kept: Kept | undefined
  return (rooms) => {
    const { clock } = rooms
    const begunMono = clock.monoMs()
    if (kept !== undefined && begunMono < kept.untilMono) return kept.answer
    const reading: Kept = {
      untilMono: Number.POSITIVE_INFINITY,
      answer: familiesOf(rooms).then(
        (families) => {
          const tookMs = clock.monoMs() - begunMono
          reading.untilMono = clock.monoMs() + Math.max(keepMs, tookMs * keepTimes)
          return { atMs: clock.wallMs(), families }
        },
        (error: unknown) => {
          kept = undefined
          throw error
        },
      ),
    }
    kept = reading
    return reading.answer
  }
}

export const metricsRoutes = (): readonly Route[] => {
  const read = reader()
  return [
    {
      method: 'GET',
      path: '/metrics',
      run: async ({ rooms }) => {
        const { families } = await read(rooms)
        const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' }
        return new Response(metricsText(families), { headers })
      },
    },
    { method: 'GET', path: '/api/v1/metrics', run: async ({ rooms }) => ok(await read(rooms)) },
  ]
}
