/** Numbers and times in words. */
const whole = new Intl.NumberFormat('en-GB')

export const count = (value: number): string => whole.format(value)

/** "4 s", "3 m 12 s", "2 h 5 m", "3 d 4 h"; the spaces do not break. */
export const duration = (ms: number): string => spaced(ms).replaceAll(' ', '\u00a0')

const spaced = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} m`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`
}

export const milliseconds = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`

/** An amount with its thousands apart; digits are never recomputed. */
export const grouped = (amount: string): string =>
  amount.replace(/^-?[0-9]+/, (whole) => whole.replaceAll(/\B(?=([0-9]{3})+$)/g, ','))

/** "3 agents", "1 agent". */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`

export const coverageText = (coverage: {
  readonly reporting: number
  readonly of: number
  readonly oldestMs: number | null
  readonly asleep?: number
}): string => {
  const oldest = coverage.oldestMs === null ? '' : `, oldest sign of life ${duration(coverage.oldestMs)} ago`
  const asleep = coverage.asleep ? `; ${count(coverage.asleep)} asleep` : ''
  return `${count(coverage.reporting)} of ${count(coverage.of)} reporting${oldest}${asleep}`
}
