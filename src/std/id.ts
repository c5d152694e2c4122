/** Ids: a three-letter prefix and a UUIDv7 (RFC 9562), so that they sort by time of birth. */
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

export type IdPrefix = 'tsk' | 'set' | 'bat' | 'cel' | 'grn' | 'gat' | 'trf' | 'req' | 'tok' | 'frz' | 'inc'
export type NewId = (prefix: IdPrefix) => string

/** Two digits of each byte: an id costs 0.3 µs with it, 1.3 through a Buffer. */
const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * Makes `prefix_xxxxxxxx-xxxx-7xxx-yxxx-xxxxxxxxxxxx`; two ids of one clock and one millisecond differ by 74 random
 * bits.
 */
export const idMaker = (clock: Clock, random: Random): NewId => {
  // Many ids are born in one millisecond.
  let bornMs = -1
  let born = ''
  return (prefix) => {
    const nowMs = clock.wallMs()
    if (nowMs !== bornMs) {
      const ms = nowMs.toString(16).padStart(12, '0')
      born = `${ms.slice(0, 8)}-${ms.slice(8)}`
      bornMs = nowMs
    }
    const chance = random.bytes(10)
    const at = (index: number): string => hex[chance[index]!]!
    const version = hex[0x70 | (chance[0]! & 0x0f)]!
    const variant = hex[0x80 | (chance[2]! & 0x3f)]!
    const tail = at(4) + at(5) + at(6) + at(7) + at(8) + at(9)
    return `${prefix}_${born}-${version}${at(1)}-${variant}${at(3)}-${tail}`
  }
}

export const isId = (prefix: IdPrefix, text: string): boolean =>
  text.startsWith(`${prefix}_`) &&
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text.slice(prefix.length + 1))
