/**
 * Sealing as it was before there were data keys: each version under HKDF of the vault's key. Rows of that form are
 * opened once more, and sealed as all others are.
 */
import { hkdfSync } from 'node:crypto'
import type { GateBook, Resealed, SecretRow } from '../store/store.ts'
import type { Random } from '../std/std.ts'
import { openBox } from './keys/box.ts'
import { sealingKeyPlace } from './rekey.ts'
import { fingerprintOf, isOfThisForm, sealAtRest, type Kek, type Place } from './sealing.ts'

const openFormer = (kek: Kek, { name, version }: Place, sealed: Uint8Array): Buffer => {
  const bound = [1, kek.vaultId, name, version] as const
  const key = Buffer.from(hkdfSync('sha256', kek.key, kek.vaultId, JSON.stringify(bound), 32))
  try {
    return openBox(key, sealed, bound)
  } finally {
    key.fill(0)
  }
}

/** The gate's own pair, when it is of the former form. */
export const formerPair = (kek: Kek, sealed: Uint8Array): Buffer | undefined =>
  isOfThisForm(sealed) ? undefined : openFormer(kek, sealingKeyPlace, sealed)

/** The rows of the former form, sealed anew; a damaged one stays as it is. Undefined when there is none. */
export const formerRows = (
  book: GateBook,
  kek: Kek,
  fingerprintKey: Uint8Array,
  random: Random,
): Resealed['secrets'] | undefined => {
  const again = book.secrets().flatMap((row: SecretRow) => {
    if (isOfThisForm(row.sealed)) return []
    const place = { name: row.name, version: row.version }
    try {
      const plain = openFormer(kek, place, row.sealed)
      const one = {
        ...place,
        sealed: sealAtRest(kek, place, plain, random),
        fingerprint: fingerprintOf(fingerprintKey, plain),
      }
      plain.fill(0)
      return [one]
    } catch {
      return []
    }
  })
  return again.length === 0 ? undefined : again
}
