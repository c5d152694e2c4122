/** Durations `30s 5m 2h 30d`, sizes `256MB`, rates `100/s 6000/min`: one reader each, undefined when it is not one. */
const durations = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const sizes = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
} as const
const windows = { s: 1_000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Nothing beyond 2^53 is read: it would not be the number that was written. */
const exact = (value: number): number | undefined => (Number.isSafeInteger(value) ? value : undefined)

/** Milliseconds of "30s"; undefined when the text is no duration. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(text)
  return match ? exact(Number(match[1]) * durations[match[2] as keyof typeof durations]) : undefined
}

/** Bytes of "256MB" (powers of ten) or "256MiB" (powers of two). */
export const parseSize = (text: string): number | undefined => {
  const match = /^([0-9]{1,9})(B|KB|MB|GB|KiB|MiB|GiB)$/.exec(text)
  return match ? exact(Number(match[1]) * sizes[match[2] as keyof typeof sizes]) : undefined
}

export interface Rate {
  readonly count: number
  readonly windowMs: number
}

/** `{count, windowMs}` of "400/s". */
export const parseRate = (text: string): Rate | undefined => {
  const match = /^([1-9][0-9]{0,8})\/(s|min|m|h|d)$/.exec(text)
  return match ? { count: Number(match[1]), windowMs: windows[match[2] as keyof typeof windows] } : undefined
}

/** "1.2 s", "340 ms", "5 m 3 s": for people. */
export const formatDuration = (ms: number): string => {
  // Bounds are where rounding turns over, so that nobody reads "1000 ms" or "60.0 s".
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} m`
}
