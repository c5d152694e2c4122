/**
 * Whether the host is short of something: pure. It becomes short beyond a bound, and is not any more when it has been
 * well within it for a while: at the edge it does not flap. What cannot be read is held against nobody.
 */
import type { MachineBounds } from '../../model/model.ts'
import type { PressureReading } from '../../std/std.ts'

export interface Short {
  /** Monotonic and wall time of its beginning. */
  readonly sinceMonoMs: number
  readonly sinceMs: number
  /** In people's words, as it was last. */
  readonly why: string
}
export interface AdmissionState {
  /** Null = new cells may start. */
  short: Short | null
  /** Since when it is well within all bounds, while it is short (monotonic). */
  calmMs: number | null
}

export const open: AdmissionState = { short: null, calmMs: null }

type Bounds = MachineBounds['pressure']

/** Well within: half as much memory again must be left, or a twentieth of all, and so much less time stalled. */
const moreFree = 1.5
const mostMoreFree = 0.05
const lessStalled = 0.7
/** And for so long. */
const calmForMs = 5_000

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`
const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000).toLocaleString('en')} MB`

const whose = { host: 'the host', group: 'our control group' } as const
const stalls = {
  memory: 'everything waited for memory',
  io: 'everything waited for the disk',
  cpu: 'something waited for a processor',
} as const

/** What is beyond its bound, each in words; `ease` moves the bounds to where it counts as well within. */
const beyond = ({ memory, stalled }: PressureReading, bounds: Bounds, ease: boolean): string[] => {
  const { memoryFree } = bounds
  const found: string[] = []
  if (memory !== null && memoryFree !== null) {
    const least = ease ? Math.min(memoryFree * moreFree, memoryFree + mostMoreFree) : memoryFree
    const left = memory.freeBytes / memory.totalBytes
    if (left < least)
      found.push(
        `${megabytes(memory.freeBytes)} of ${whose[memory.of]}'s memory are left, ${percent(left)}; ` +
          `the bound is ${percent(memoryFree)}`,
      )
  }
  const most = { memory: bounds.memoryStalled, io: bounds.ioStalled, cpu: bounds.cpuStalled }
  for (const what of ['memory', 'io', 'cpu'] as const) {
    const [share, bound] = [stalled[what], most[what]]
    if (share === null || bound === null) continue
    if (share > bound * (ease ? lessStalled : 1))
      found.push(`${stalls[what]} in ${percent(share)} of the last 10 s; the bound is ${percent(bound)}`)
  }
  return found
}

/** Why nothing new would start now; null when it would. */
export const shortOf = (reading: PressureReading, bounds: Bounds): string | null =>
  beyond(reading, bounds, false).join('; ') || null

export interface Moment {
  readonly monoMs: number
  readonly wallMs: number
}

export const admissionAfter = (
  { short, calmMs }: AdmissionState,
  reading: PressureReading,
  bounds: Bounds,
  now: Moment,
): AdmissionState => {
  const why = beyond(reading, bounds, short !== null)
  if (why.length > 0) {
    const { monoMs: sinceMonoMs, wallMs: sinceMs } = now
    return { short: { ...(short ?? { sinceMonoMs, sinceMs }), why: why.join('; ') }, calmMs: null }
  }
  if (short === null) return open
  const since = calmMs ?? now.monoMs
  return now.monoMs - since >= calmForMs ? open : { short, calmMs: since }
}
