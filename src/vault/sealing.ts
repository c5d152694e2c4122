/**
 * Sealing at rest: each version under a data key of its own, which is sealed by the vault's key (the KEK). Both boxes
 * are bound to vault, name and version, so that a sealed value cannot be moved to another place and opened there. A
 * rekey seals the data keys anew and leaves the values as they are.
 *
 *   "SS" · form 2 · first 4 bytes of the KEK's check · box of the data key (60) · box of the value
 */
import { createHmac, createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'
import { failure, type Random } from '../std/std.ts'
import { boxOverhead, keyBytes, openBox, sealBox, type Bound } from './keys/box.ts'
import type { Unlocked } from './key.ts'

/** DER heads of raw X25519 keys (RFC 8410). */
const privateHead = Buffer.from('302e020100300506032b656e04220420', 'hex')
const publicHeadBytes = 12
const form = Buffer.from([0x53, 0x53, 2])
const idBytes = 4
const headBytes = form.length + idBytes
const wrappedBytes = keyBytes + boxOverhead

export interface Place {
  readonly name: string
  readonly version: number
}
/** A KEK and where it belongs. */
export type Kek = Pick<Unlocked, 'key' | 'vaultId' | 'check'>

const boundOf = (vaultId: string, { name, version }: Place, what: 'key' | 'value'): Bound => [
  2,
  vaultId,
  name,
  version,
  what,
]

const idOf = (kek: Pick<Kek, 'check'>): Buffer => Buffer.from(kek.check, 'hex').subarray(0, idBytes)

/** Whether these bytes are of this form, and their data key sealed by this KEK. */
export const isSealedBy = (kek: Pick<Kek, 'check'>, sealed: Uint8Array): boolean =>
  form.equals(sealed.subarray(0, form.length)) && idOf(kek).equals(sealed.subarray(form.length, headBytes))
export const isOfThisForm = (sealed: Uint8Array): boolean => form.equals(sealed.subarray(0, form.length))

const wrap = (kek: Kek, place: Place, dataKey: Uint8Array, random: Random): Buffer =>
  Buffer.concat([form, idOf(kek), sealBox(kek.key, dataKey, boundOf(kek.vaultId, place, 'key'), random)])

const wayOut = ({ name }: Place): string => `sitter vault set ${name.split('+')[0]}, or restore gate.db from a backup`

const damaged = (place: Place, cause: unknown): Error =>
  failure(
    'credential-unavailable',
    `${place.name}@${place.version} cannot be opened, damaged or moved: ${wayOut(place)}`,
    {
      cause,
    },
  )

const unwrap = (kek: Kek, place: Place, sealed: Uint8Array): Buffer => {
  try {
    if (!isSealedBy(kek, sealed)) throw new Error('it is sealed by another key or in another form')
    const wrapped = sealed.subarray(headBytes, headBytes + wrappedBytes)
    return openBox(kek.key, wrapped, boundOf(kek.vaultId, place, 'key'))
  } catch (cause) {
    throw damaged(place, cause)
  }
}

/** One piece of bytes with all that is needed beside the KEK. */
export const sealAtRest = (kek: Kek, place: Place, plain: Uint8Array, random: Random): Uint8Array => {
  const dataKey = Buffer.from(random.bytes(keyBytes))
  const wrapped = wrap(kek, place, dataKey, random)
  const value = sealBox(dataKey, plain, boundOf(kek.vaultId, place, 'value'), random)
  dataKey.fill(0)
  return Buffer.concat([wrapped, value])
}

/** The caller zeroes it. @throws Failure `credential-unavailable` when the bytes are damaged or belong elsewhere. */
export const openAtRest = (kek: Kek, place: Place, sealed: Uint8Array): Buffer => {
  const dataKey = unwrap(kek, place, sealed)
  try {
    return openBox(dataKey, sealed.subarray(headBytes + wrappedBytes), boundOf(kek.vaultId, place, 'value'))
  } catch (cause) {
    throw damaged(place, cause)
  } finally {
    dataKey.fill(0)
  }
}

/** The same value under another KEK. @throws Failure `credential-unavailable`. */
export const rewrap = (
  { from, to }: { readonly from: Kek; readonly to: Kek },
  place: Place,
  sealed: Uint8Array,
  random: Random,
): Uint8Array => {
  const dataKey = unwrap(from, place, sealed)
  const wrapped = wrap(to, place, dataKey, random)
  dataKey.fill(0)
  return Buffer.concat([wrapped, sealed.subarray(headBytes + wrappedBytes)])
}

/** The key of fingerprints belongs to the gate's own pair, which outlives every rekey. */
export const fingerprintKeyOf = (vaultId: string, pair: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', pair, vaultId, 'fingerprint 2', keyBytes))

/** What the key of the gate's certificate authority is made from; of the pair, so that it outlives every rekey too. */
export const authoritySeedOf = (vaultId: string, pair: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', pair, vaultId, 'certificate authority 1', 48))

/**
 * Twelve hex digits by which people compare secrets; keyed, so that a short secret cannot be guessed from it.
 */
export const fingerprintOf = (fingerprintKey: Uint8Array, plain: Uint8Array): string =>
  createHmac('sha256', fingerprintKey).update(plain).digest('hex').slice(0, 12)

/** Keys for other ends than sealing, told apart by what they are for. */
export const derivedKey = (kek: Kek, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', kek.key, kek.vaultId, purpose, keyBytes))

/** The X25519 key of 32 raw secret bytes. */
export const privateKeyOf = (raw: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([privateHead, raw]), format: 'der', type: 'pkcs8' })

/** Base64 of the 32 raw public bytes that belong to a private key. */
export const publicTextOf = (key: KeyObject): string =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(publicHeadBytes).toString('base64')
