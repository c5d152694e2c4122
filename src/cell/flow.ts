/**
 * How many frames a cell may send: a token bucket of 1,000 a second, burst 5,000, and one more for each task it was
 * given, since its end has to be told. Frames beyond it are dropped; the first of a second, and each 5,000 after it,
 * are a strike; the third strike within a minute of the last one cuts the link.
 */
import { bounds } from '../wire/wire.ts'

export type FlowVerdict = 'taken' | 'dropped' | 'strike' | 'cut'

const mostStrikes = 3
const forgetMs = 60_000
const strikeEveryMs = 1_000

export interface Flow {
  /** Of a frame that came at this monotonic time. */
  judge(nowMs: number): FlowVerdict
  /** So many frames were asked for. */
  expect(count: number): void
}

/** The flow of one link. */
export const flow = (startMs: number): Flow => {
  let tokens: number = bounds.frameBurst
  let atMs = startMs
  let strikes = 0
  let strikeAtMs = -Infinity
  let dropped = 0
  const judge = (nowMs: number): FlowVerdict => {
    tokens = Math.min(bounds.frameBurst, tokens + ((nowMs - atMs) * bounds.framesPerSecond) / 1_000)
    atMs = nowMs
    if (tokens >= 1) {
      tokens -= 1
      return 'taken'
    }
    dropped += 1
    if (nowMs - strikeAtMs < strikeEveryMs && dropped < bounds.frameBurst) return 'dropped'
    strikes = nowMs - strikeAtMs > forgetMs ? 1 : strikes + 1
    strikeAtMs = nowMs
    dropped = 0
    return strikes >= mostStrikes ? 'cut' : 'strike'
  }
  return {
    judge,
    expect: (count) => {
      tokens = Math.min(bounds.frameBurst, tokens + count)
    },
  }
}
