/** The machine's chance; bytes are fit for secrets. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from '../random.ts'

export const realRandom = (): Random => ({
  next: () => randomInt(0, 2 ** 47) / 2 ** 47,
  bytes: (count) => randomBytes(count),
})
