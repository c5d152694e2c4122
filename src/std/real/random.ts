/** The machine's chance; bytes are fit for secrets. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from '../random.ts'

/** Ids take ten bytes each and many a turn: drawn from a stock they cost 0.1 µs instead of 3 µs. */
const stockBytes = 4_096
/** Longer ones may be secrets: they are drawn alone and stand in no shared buffer. */
const stockedMost = 16

export const realRandom = (): Random => {
  let stock = Buffer.alloc(0)
  let used = 0
  return {
    next: () => randomInt(0, 2 ** 47) / 2 ** 47,
    bytes: (count) => {
      if (count > stockedMost) return randomBytes(count)
      if (used + count > stock.length) {
        stock = randomBytes(stockBytes)
        used = 0
      }
      used += count
      return stock.subarray(used - count, used)
    },
  }
}
