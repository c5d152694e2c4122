/**
 * How many frames a cell may send: a token bucket of 1,000 a second, burst 5,000. Frames beyond it are dropped; the
 * first of a second, and each 5,000 after it, are a strike; the third strike within a minute of the last one cuts the
 * link.
 */
import { bounds } from '../wire/wire.ts'

export type FlowVerdict = 'taken' | 'dropped' | 'strike' | 'cut'

const mostStrikes = 3
const forgetMs = 60_000
const strikeEveryMs = 1_000

/** Gives the judge of one link; call it with the monotonic time of each frame. */
export const flow = (startMs: number): ((nowMs: number) => FlowVerdict) => {
  let tokens: number = bounds.frameBurst
  let atMs = startMs
  let strikes = 0
  let strikeAtMs = -Infinity
  let dropped = 0
  return (nowMs) => {
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
}
