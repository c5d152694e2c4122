/**
 * Sealing at rest: each version under its own key (HKDF of the vault's key and its name), AES-256-GCM with a random
 * nonce, and the vault, name and version bound in, so that a sealed value cannot be moved to another place and opened
 * there.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { canonicalJson, failure, type Random } from '../std/std.ts'
import type { Unlocked } from './key.ts'

const nonceBytes = 12
const tagBytes = 16
/** DER heads of raw X25519 keys (RFC 8410). */
const privateHead = Buffer.from('302e020100300506032b656e04220420', 'hex')
const publicHeadBytes = 12

interface Place {
  readonly name: string
  readonly version: number
}

const placeBytes = (vaultId: string, place: Place): Buffer =>
  Buffer.from(canonicalJson([1, vaultId, place.name, place.version]))

const keyOf = (unlocked: Unlocked, place: Place): Buffer =>
  Buffer.from(hkdfSync('sha256', unlocked.key, unlocked.vaultId, placeBytes(unlocked.vaultId, place), 32))

/** Nonce, ciphertext, tag in one. */
export const sealAtRest = (unlocked: Unlocked, place: Place, plain: Uint8Array, random: Random): Uint8Array => {
  const nonce = random.bytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', keyOf(unlocked, place), nonce)
  cipher.setAAD(placeBytes(unlocked.vaultId, place))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @throws Failure `credential-unavailable` when the bytes are damaged or belong elsewhere. */
export const openAtRest = (unlocked: Unlocked, place: Place, sealed: Uint8Array): Buffer => {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(unlocked, place), bytes.subarray(0, nonceBytes))
    decipher.setAAD(placeBytes(unlocked.vaultId, place))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()])
  } catch (cause) {
    throw failure(
      'credential-unavailable',
      `${place.name}@${place.version} cannot be opened: it is damaged or was moved`,
      { cause },
    )
  }
}

/** Twelve hex digits by which people compare secrets; keyed, so that a short secret cannot be guessed from it. */
export const fingerprintOf = (unlocked: Unlocked, plain: Uint8Array): string => {
  const key = Buffer.from(hkdfSync('sha256', unlocked.key, unlocked.vaultId, 'fingerprint 1', 32))
  return createHmac('sha256', key).update(plain).digest('hex').slice(0, 12)
}

/** The X25519 key of 32 raw secret bytes. */
export const privateKeyOf = (raw: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([privateHead, raw]), format: 'der', type: 'pkcs8' })

/** Base64 of the 32 raw public bytes that belong to a private key. */
export const publicTextOf = (key: KeyObject): string =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(publicHeadBytes).toString('base64')
