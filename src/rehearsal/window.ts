/**
 * The provider's own limiter: the exact sliding window, so that it catches what a token bucket at the edge of two
 * windows lets through.
 */
export interface Window {
  /** 0 when the request is let in; else the milliseconds until one would be. Refused requests do not count. */
  enter(nowMs: number): number
}

const windowMs = 1_000

/**
 * At most `rate` requests in any window of one second, the window half open: a request leaves it after exactly 1,000
 * ms.
 */
export const slidingWindow = (rate: number): Window => {
  const most = Math.max(1, Math.floor(rate))
  const entered: number[] = []
  let head = 0
  return {
    enter: (nowMs) => {
      while (head < entered.length && nowMs - entered[head]! >= windowMs) head += 1
      if (head > most) {
        entered.splice(0, head)
        head = 0
      }
      if (entered.length - head >= most) return entered[head]! + windowMs - nowMs
      entered.push(nowMs)
      return 0
    },
  }
}
