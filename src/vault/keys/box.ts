/**
 * AES-256-GCM with a random nonce, and the check value of a key. GCM does not bind its key (one ciphertext may open
 * under two), so a key is told by its check value first, never by whether something opens.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, type Random } from '../../std/std.ts'

export const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
/** What a sealed text is longer than its plain one. */
export const boxOverhead = nonceBytes + tagBytes

export const keyCheck = (key: Uint8Array, vaultId: string): string =>
  createHmac('sha256', key).update(`swarmsitter key check 1 ${vaultId}`).digest('hex').slice(0, 32)

export const isKeyOf = (check: string, key: Uint8Array, vaultId: string): boolean => {
  const [one, other] = [Buffer.from(check), Buffer.from(keyCheck(key, vaultId))]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** What a box is bound to: it opens nowhere else. */
export type Bound = readonly (string | number)[]
const bytesOf = (bound: Bound): Buffer => Buffer.from(canonicalJson(bound))

/** Nonce, ciphertext, tag in one. */
export const sealBox = (key: Uint8Array, plain: Uint8Array, bound: Bound, random: Random): Buffer => {
  const nonce = random.bytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(bytesOf(bound))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The caller zeroes it. Throws what node:crypto throws when the box is damaged, or belongs elsewhere. */
export const openBox = (key: Uint8Array, box: Uint8Array, bound: Bound): Buffer => {
  if (box.length < boxOverhead) throw new Error('too short for a box')
  const bytes = Buffer.from(box.buffer, box.byteOffset, box.byteLength)
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(bytesOf(bound))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  const first = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
  // Nothing that failed its tag is ever looked at.
  try {
    decipher.final()
  } catch (error) {
    first.fill(0)
    throw error
  }
  return first
}
