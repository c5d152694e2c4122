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
  /** The rest. A beginning of a secret that was cut off is blotted out too. */
  end(): Buffer
  /** A text that is whole. */
  text(text: string): string
}

/** The forms by the first byte of each alternative of their first element. */
const byFirstByte = (forms: readonly Form[]): readonly (readonly Form[] | undefined)[] => {
  const table: Form[][] = []
  for (const form of forms) {
    for (const first of new Set(form[0]?.map((alternative) => alternative[0]!))) {
      const known = table[first]
      if (known === undefined) table[first] = [form]
      else known.push(form)
    }
  }
  return Array.from({ length: 256 }, (_, byte) => table[byte])
}

/** The longest match at a place, whether one may still come, or neither. */
const lookAt = (bytes: Buffer, at: number, forms: readonly Form[]): { end: number; partial: boolean } => {
  let end = 0
  let partial = false
  for (const form of forms) {
    const found = matchAt(bytes, at, form)
    if (found === 'partial') partial = true
    else if (found !== 'no') end = Math.max(end, found)
  }
  return { end, partial }
}

interface Scanned {
  readonly out: Buffer
  readonly held: Buffer
}

const openScan = (secrets: readonly string[]): ((given: Buffer, last: boolean) => Scanned) | undefined => {
  const forms = secrets.flatMap(formsOf)
  if (forms.length === 0) return undefined
  const table = byFirstByte(forms)
  return (given, last) => {
    let bytes = given
    const blot = (from: number, to: number): void => {
      // The bytes may be the reader's own.
      if (bytes === given) bytes = Buffer.from(given)
      bytes.fill(star, from, to)
    }
    for (let at = 0; at < bytes.length; at += 1) {
      const candidates = table[bytes[at]!]
      if (candidates === undefined) continue
      const { end, partial } = lookAt(bytes, at, candidates)
      if (end > 0) {
        blot(at, end)
        at = end - 1
      } else if (partial) {
        if (!last) return { out: bytes.subarray(0, at), held: Buffer.from(bytes.subarray(at)) }
        if (bytes.length - at >= shortestSecret) {
          blot(at, bytes.length)
          break
        }
      }
    }
    return { out: bytes, held: nothing }
  }
}

export const openScrubber = (secrets: readonly string[]): Scrubber => {
  const scan = openScan(secrets)
  if (scan === undefined) return { push: (chunk) => chunk, end: () => nothing, text: (text) => text }
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
    // Header values are bytes: latin1 keeps each as it is.
    text: (text) => scan(Buffer.from(text, 'latin1'), true).out.toString('latin1'),
  }
}
