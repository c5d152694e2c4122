/**
 * The bench's own arithmetic: ranges, percentiles, ratios of the same round, and the check that every task was
 * delivered exactly once. Pure, so that test/bench can prove it.
 */

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** The value below which `share` of the values lie (nearest rank); NaN of nothing, so that nothing looks like a zero. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** Of an even number of values the median is the mean of the two in the middle. */
export const spread = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const high = sorted[Math.floor(middle)] ?? Number.NaN
  return { min: sorted[0] ?? Number.NaN, median: (low + high) / 2, max: sorted.at(-1) ?? Number.NaN }
}

/**
 * Ours over theirs, round by round: A and B of one round ran beside each other, so what else the machine did weighs on
 * both. Rounds that one of them did not finish are left out.
 */
export const ratio = (ours: readonly (number | null)[], theirs: readonly (number | null)[]): Spread =>
  spread(
    ours.flatMap((value, round) => {
      const other = theirs[round]
      return value === null || other === null || other === undefined ? [] : [value / other]
    }),
  )

/** What a handler tells about a task it ran: its number, its process, and how many tasks that process has run so far. */
export interface Outcome {
  readonly n: number
  readonly pid: number
  readonly runs: number
}

export interface Delivery {
  readonly asked: number
  /** Different tasks whose outcome was recorded. */
  readonly recorded: number
  /** Tasks whose outcome was recorded more than once. */
  readonly twice: number
  /** Times that a handler ran, by the handlers' own count: more than `recorded` means that a task ran twice. */
  readonly runs: number
  readonly exact: boolean
}

/** Handlers count in their own process, so a second run of one task shows although its outcome is recorded once. */
export const delivery = (asked: number, outcomes: readonly Outcome[]): Delivery => {
  const recorded = new Set(outcomes.map((one) => one.n)).size
  const counts = new Map<number, number>()
  for (const { pid, runs } of outcomes) counts.set(pid, Math.max(counts.get(pid) ?? 0, runs))
  const runs = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const twice = outcomes.length - recorded
  return { asked, recorded, twice, runs, exact: recorded === asked && twice === 0 && runs === asked }
}

const digits = (value: number): string =>
  Number.isNaN(value)
    ? 'none'
    : value >= 100
      ? Math.round(value).toLocaleString('en')
      : String(Number(value.toPrecision(3)))

export const show = ({ min, median, max }: Spread): string => `${digits(median)} (${digits(min)}–${digits(max)})`
