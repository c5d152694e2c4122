/**
 * What the bank knows: payments by key, and how often each key was tried. Rebuilt from the log at start, so that a
 * killed provider forgets nothing that it answered for. A second payment of one reference under another key is
 * accepted, as real banks do: so a double payment shows in the log.
 */
import { addMoney, type Totals } from './totals.ts'
import { lineKinds, type Line, type LineKind } from './log.ts'

export interface Payment {
  readonly id: string
  readonly key: string
  readonly reference: string
  readonly amount: string
  readonly currency: string
  readonly bodyHash: string
  readonly status: 'settled' | 'pending' | 'declined'
  readonly atMs: number
}

/** A rehearsal of a million payments fills about 0.5 GB; beyond it the provider says 503 and takes no more. */
export const mostPayments = 1_000_000

export interface Book {
  /** Takes a line in: one that is read at start, or one that is being written. */
  take(line: Line): void
  byKey(key: string): Payment | undefined
  /** Requests for a key that were not replays, so far. */
  triesOf(key: string): number
  isDeclined(reference: string): boolean
  readonly full: boolean
  readonly lastRequest: number
  readonly counts: Readonly<Record<LineKind, number>>
  readonly totals: Totals
}

/** Lines that are one try of their key. */
const tryKinds: readonly LineKind[] = ['accepted', 'declined', 'limited', 'error', 'cut-before-accept']

export const newBook = (): Book => {
  const payments = new Map<string, Payment>()
  const tries = new Map<string, number>()
  const declined = new Set<string>()
  const counts = Object.fromEntries(lineKinds.map((kind) => [kind, 0])) as Record<LineKind, number>
  const totals: Totals = new Map()
  let lastRequest = 0
  const keep = (line: Line): void => {
    const { id, key, reference, amount, currency, bodyHash, status } = line
    if (
      id === undefined ||
      key === undefined ||
      reference === undefined ||
      amount === undefined ||
      currency === undefined
    )
      return
    if (bodyHash === undefined || status === undefined) return
    payments.set(key, { id, key, reference, amount, currency, bodyHash, status, atMs: line.at })
    if (status === 'declined') declined.add(reference)
    else addMoney(totals, amount, currency)
  }
  return {
    take: (line) => {
      counts[line.kind] += 1
      lastRequest = Math.max(lastRequest, line.request)
      if (line.key !== undefined && tryKinds.includes(line.kind)) {
        // A key that paid has no further tries; only keys still open are counted.
        if (line.kind === 'accepted' || line.kind === 'declined') tries.delete(line.key)
        else tries.set(line.key, (tries.get(line.key) ?? 0) + 1)
      }
      keep(line)
    },
    byKey: (key) => payments.get(key),
    triesOf: (key) => tries.get(key) ?? 0,
    isDeclined: (reference) => declined.has(reference),
    get full() {
      return payments.size >= mostPayments || tries.size >= mostPayments
    },
    get lastRequest() {
      return lastRequest
    },
    counts,
    totals,
  }
}
