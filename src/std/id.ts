/** Ids: a three-letter prefix and a UUIDv7 (RFC 9562), so that they sort by time of birth. */
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

export type IdPrefix = 'tsk' | 'set' | 'bat' | 'cel' | 'grn' | 'gat' | 'trf' | 'req' | 'tok' | 'frz'
export type NewId = (prefix: IdPrefix) => string

/**
 * Makes `prefix_xxxxxxxx-xxxx-7xxx-yxxx-xxxxxxxxxxxx`; two ids of one clock and one millisecond differ by 74 random
 * bits.
 */
export const idMaker =
  (clock: Clock, random: Random): NewId =>
  (prefix) => {
    const ms = clock.wallMs().toString(16).padStart(12, '0')
    const chance = Uint8Array.from(random.bytes(10))
    chance[0] = 0x70 | (chance[0]! & 0x0f)
    chance[2] = 0x80 | (chance[2]! & 0x3f)
    const hex = Buffer.from(chance.buffer).toString('hex')
    return `${prefix}_${ms.slice(0, 8)}-${ms.slice(8)}-${hex.slice(0, 4)}-${hex.slice(4, 8)}-${hex.slice(8)}`
  }

export const isId = (prefix: IdPrefix, text: string): boolean =>
  text.startsWith(`${prefix}_`) &&
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text.slice(prefix.length + 1))
