/** Ids: a three-letter prefix and a UUIDv7 (RFC 9562), so that they sort by time of birth. */
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

export type IdPrefix = 'tsk' | 'att' | 'set' | 'bat' | 'cel' | 'grn' | 'gat' | 'trf' | 'req'
export type NewId = (prefix: IdPrefix) => string

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/**
 * Makes `prefix_xxxxxxxx-xxxx-7xxx-yxxx-xxxxxxxxxxxx`; two ids of one clock and one millisecond differ by 74 random
 * bits.
 */
export const idMaker =
  (clock: Clock, random: Random): NewId =>
  (prefix) => {
    const bytes = new Uint8Array(16)
    bytes.set(random.bytes(10), 6)
    let ms = clock.wallMs()
    for (let index = 5; index >= 0; index -= 1) {
      bytes[index] = ms % 256
      ms = Math.floor(ms / 256)
    }
    bytes[6] = 0x70 | (bytes[6]! & 0x0f)
    bytes[8] = 0x80 | (bytes[8]! & 0x3f)
    const groups = [
      bytes.subarray(0, 4),
      bytes.subarray(4, 6),
      bytes.subarray(6, 8),
      bytes.subarray(8, 10),
      bytes.subarray(10),
    ]
    return `${prefix}_${groups.map(hex).join('-')}`
  }

export const isId = (prefix: IdPrefix, text: string): boolean =>
  text.startsWith(`${prefix}_`) &&
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text.slice(prefix.length + 1))
