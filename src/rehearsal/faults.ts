/**
 * Which fault a request meets: a pure function of seed, key and the request's number for that key, so that a run
 * repeats and a retry is not doomed to its predecessor's fate. Declining is drawn by reference, and is final.
 */
import { createHash } from 'node:crypto'

export const faultNames = [
  'limited',
  'error',
  'overloaded',
  'cutBeforeAccept',
  'acceptThenCut',
  'late',
  'slow',
  'decline',
] as const
export type FaultName = (typeof faultNames)[number]
/** Shares in [0, 1] of payout requests; an absent one is 0. */
export type FaultShares = Readonly<Partial<Record<FaultName, number>>>

/** Faults that a request meets one at most of; the shares add up. */
const exclusive = faultNames.filter((name) => name !== 'decline')

/** Uniform in [0, 1) from the parts; 48 bits of SHA-256. */
export const draw = (...parts: readonly (string | number)[]): number =>
  createHash('sha256').update(JSON.stringify(parts)).digest().readUIntBE(0, 6) / 2 ** 48

export const faultOf = (
  shares: FaultShares,
  request: { readonly seed: number; readonly key: string; readonly number: number },
): FaultName | undefined => {
  let left = draw(request.seed, 'request', request.key, request.number)
  return exclusive.find((name) => {
    left -= shares[name] ?? 0
    return left < 0
  })
}

export const declines = (shares: FaultShares, seed: number, reference: string): boolean =>
  draw(seed, 'decline', reference) < (shares.decline ?? 0)

/** Why a share table is none, or undefined when it is one. */
export const wrongShares = (value: unknown): string | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'faults are an object of shares'
  for (const [name, share] of Object.entries(value)) {
    if (!faultNames.some((known) => known === name))
      return `${JSON.stringify(name.slice(0, 40))} is none of ${faultNames.join(', ')}`
    if (typeof share !== 'number' || !(share >= 0 && share <= 1)) return `${name} is a share from 0 to 1`
  }
  const sum = exclusive.reduce((total, name) => total + ((value as FaultShares)[name] ?? 0), 0)
  // Decimal shares are doubles here; a millionth over is rounding.
  return sum > 1.000_001 ? `shares beside decline sum to ${sum}, more than 1` : undefined
}
