/**
 * Counts and durations of each upstream, for `status`. Counts begin with what the journal holds, so a restart forgets
 * none.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export interface UpstreamFigures {
  readonly calls: number
  readonly byStatus: Readonly<Record<string, number>>
  /** Of answers since this gate started; null before the first. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
  /** For limits, of calls that were let through since this gate started; null before the first. */
  readonly waitMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
}
export interface Meter {
  /** `outcome`: status of an answer, or `lost` or `not-sent`. */
  count(upstream: string, outcome: string, tookMs: number | null): void
  /** A call was let through by its limits after so long. */
  waited(upstream: string, ms: number): void
  figures(upstream: string): UpstreamFigures
}

interface Counted {
  readonly byStatus: Map<string, number>
  readonly histogram: RecordableHistogram
  readonly waits: RecordableHistogram
  calls: number
}

const hundredths = (histogram: RecordableHistogram, percent: number): number => histogram.percentile(percent) / 100
/** The histogram keeps integers: hundredths of a millisecond. */
const record = (histogram: RecordableHistogram, ms: number): void => histogram.record(Math.max(1, Math.round(ms * 100)))
const percentiles = (histogram: RecordableHistogram): UpstreamFigures['latencyMs'] =>
  histogram.count === 0
    ? null
    : { p50: hundredths(histogram, 50), p95: hundredths(histogram, 95), p99: hundredths(histogram, 99) }

export const openMeter = (
  before: readonly {
    readonly upstream: string
    readonly ended: string
    readonly status: number | null
    readonly count: number
  }[],
): Meter => {
  const upstreams = new Map<string, Counted>()
  const of = (upstream: string): Counted => {
    const known = upstreams.get(upstream)
    if (known !== undefined) return known
    const made: Counted = { byStatus: new Map(), histogram: createHistogram(), waits: createHistogram(), calls: 0 }
    upstreams.set(upstream, made)
    return made
  }
  const add = (counted: Counted, outcome: string, count: number): void => {
    counted.calls += count
    counted.byStatus.set(outcome, (counted.byStatus.get(outcome) ?? 0) + count)
  }
  for (const row of before) add(of(row.upstream), row.status === null ? row.ended : String(row.status), row.count)
  return {
    count: (upstream, outcome, tookMs) => {
      const counted = of(upstream)
      add(counted, outcome, 1)
      if (tookMs !== null) record(counted.histogram, tookMs)
    },
    waited: (upstream, ms) => record(of(upstream).waits, ms),
    figures: (upstream) => {
      const { calls, byStatus, histogram, waits } = of(upstream)
      const [latencyMs, waitMs] = [percentiles(histogram), percentiles(waits)]
      return { calls, byStatus: Object.fromEntries(byStatus), latencyMs, waitMs }
    },
  }
}
