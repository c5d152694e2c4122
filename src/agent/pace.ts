/**
 * How much an agent may say unasked (log lines, beats). A cell that floods its sitter is cut off, so one chatty agent
 * must not be able to spend the frames of its cell-mates: token buckets, one an agent and one for the process. What
 * is dropped is counted and told.
 */
/** The wire takes 1,000 frames a second a cell; half of them stay free for work. */
const processRate = { perSecond: 500, burst: 2_000 } as const
const agentRate = { perSecond: 20, burst: 100 } as const

interface Bucket {
  tokens: number
  atMs: number
  readonly perSecond: number
  readonly burst: number
}

const full = (rate: { readonly perSecond: number; readonly burst: number }, atMs: number): Bucket => ({
  tokens: rate.burst,
  atMs,
  ...rate,
})

const refill = (bucket: Bucket, nowMs: number): void => {
  bucket.tokens = Math.min(bucket.burst, bucket.tokens + ((nowMs - bucket.atMs) * bucket.perSecond) / 1_000)
  bucket.atMs = nowMs
}

export interface Pace {
  /** Whether one more line may go now; `dropped` = how many could not since the last that could. */
  admit(nowMs: number): { readonly admitted: boolean; readonly dropped: number }
}

/** Gives a maker of paces that share one bound. */
export const paces = (startMs: number): ((nowMs: number) => Pace) => {
  const shared = full(processRate, startMs)
  return (bornMs) => {
    const own = full(agentRate, bornMs)
    let dropped = 0
    return {
      admit: (nowMs) => {
        refill(own, nowMs)
        refill(shared, nowMs)
        if (own.tokens < 1 || shared.tokens < 1) {
          dropped += 1
          return { admitted: false, dropped }
        }
        own.tokens -= 1
        shared.tokens -= 1
        const before = dropped
        dropped = 0
        return { admitted: true, dropped: before }
      },
    }
  }
}
