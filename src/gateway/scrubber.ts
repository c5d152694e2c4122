/**
 * Blots secrets out of bytes as they stream, with as many stars, so that lengths stay true. What may be the beginning
 * of a secret is held back until more bytes tell; that is at most one secret in its longest form, and nothing else
 * waits.
 */
import { formsOf, matchAt, shortestSecret, type Form } from './forms.ts'

const star = 0x2a
const nothing = Buffer.alloc(0)

export interface Scrubber {
  /** What may go on of what has come so far. */
  push(chunk: Buffer): Buffer
  /** The rest. A secret of which more than half is there before it was cut off is blotted out too. */
  end(): Buffer
  /** Bytes that are whole. */
  bytes(bytes: Buffer): Buffer
  /** A text that is whole. */
  text(text: string): string
}

interface Table {
  readonly forms: readonly Form[]
  /** Whether any form may begin with these two bytes: nearly no place of a text gets further. */
  readonly pairs: Uint8Array
  /** The same for one byte, at the end of what has come. */
  readonly firsts: Uint8Array
}

const tableOf = (secrets: readonly string[]): Table => {
  const forms = secrets.flatMap(formsOf)
  const pairs = new Uint8Array(65_536)
  const firsts = new Uint8Array(256)
  for (const [one = [], two = []] of forms) {
    for (const alternative of one) {
      const first = alternative[0]!
      firsts[first] = 1
      const seconds = alternative.length > 1 ? [alternative[1]!] : two.map((next) => next[0]!)
      for (const second of seconds) pairs[first * 256 + second] = 1
    }
  }
  return { forms, pairs, firsts }
}

/**
 * Tables are kept from call to call: making one takes 400 µs, looking through a small answer 15. They hold secrets, as
 * the vault beside them does; the ones that were used last are kept, so those of ended versions go.
 */
const mostTables = 64
const tables = new Map<string, Table>()

const keptTable = (secrets: readonly string[]): Table => {
  const key = secrets.join('\n')
  const table = tables.get(key) ?? tableOf(secrets)
  tables.delete(key)
  tables.set(key, table)
  if (tables.size > mostTables) tables.delete(tables.keys().next().value!)
  return table
}

/** The longest match at a place; which share of one is there that may still come, below 0 = none may. */
const lookAt = (bytes: Buffer, at: number, forms: readonly Form[]): { end: number; share: number } => {
  let end = 0
  let share = -1
  for (const form of forms) {
    const found = matchAt(bytes, at, form)
    if (found < 0) share = Math.max(share, (-found - 1) / form.length)
    else end = Math.max(end, found)
  }
  return { end, share }
}

/**
 * A secret that is cut off at the end of a text is blotted out from here on. What is shorter stays: an agent that has
 * an upstream say its own text back would see by the stars that the text is a beginning of the secret, and could guess
 * on, one character after the other.
 */
const cutOffShare = 0.5

/** Whether any place of a text can be the beginning of a form. Most names and values of headers have none. */
const mayHold = (text: string, { pairs, firsts }: Table): boolean => {
  let before = 0
  for (let at = 0; at < text.length; at += 1) {
    const byte = text.charCodeAt(at) & 0xff
    if (at > 0 && pairs[before * 256 + byte] === 1) return true
    before = byte
  }
  return text.length > 0 && firsts[before] === 1
}

interface Scanned {
  readonly out: Buffer
  readonly held: Buffer
}

const openScan = ({ forms, pairs, firsts }: Table): ((given: Buffer, last: boolean) => Scanned) => {
  return (given, last) => {
    let bytes = given
    const blot = (from: number, to: number): void => {
      // The bytes may be the reader's own.
      if (bytes === given) bytes = Buffer.from(given)
      bytes.fill(star, from, to)
    }
    const { length } = given
    for (let at = 0; at < length; at += 1) {
      const first = bytes[at]!
      if (at + 1 < length ? pairs[first * 256 + bytes[at + 1]!] === 0 : firsts[first] === 0) continue
      const { end, share } = lookAt(bytes, at, forms)
      if (end > 0) {
        blot(at, end)
        at = end - 1
      } else if (share >= 0) {
        if (!last) return { out: bytes.subarray(0, at), held: Buffer.from(bytes.subarray(at)) }
        if (share >= cutOffShare && bytes.length - at >= shortestSecret) {
          blot(at, bytes.length)
          break
        }
      }
    }
    return { out: bytes, held: nothing }
  }
}

export const openScrubber = (secrets: readonly string[]): Scrubber => {
  const table = keptTable(secrets)
  if (table.forms.length === 0)
    return { push: (chunk) => chunk, end: () => nothing, bytes: (bytes) => bytes, text: (text) => text }
  const scan = openScan(table)
  let held: Buffer = nothing
  return {
    push: (chunk) => {
      const scanned = scan(held.length === 0 ? chunk : Buffer.concat([held, chunk]), false)
      held = scanned.held
      return scanned.out
    },
    end: () => {
      const { out } = scan(held, true)
      held = nothing
      return out
    },
    bytes: (bytes) => scan(bytes, true).out,
    // Header values are bytes: latin1 keeps each as it is.
    text: (text) => (mayHold(text, table) ? scan(Buffer.from(text, 'latin1'), true).out.toString('latin1') : text),
  }
}
