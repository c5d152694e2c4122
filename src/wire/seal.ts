/**
 * Sealing to the gate: anybody can seal with its public key, only the gate can open. X25519 with a fresh key per
 * message, HKDF-SHA-256 for key and nonce (the fresh key makes both unique), AES-256-GCM; both public keys are bound
 * in, so a text cannot be re-addressed.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { failure } from '../std/std.ts'

const version = 'sealed:v1:'
/** DER heads of raw X25519 keys (RFC 8410). */
const publicHead = Buffer.from('302a300506032b656e032100', 'hex')
const tagBytes = 16
/** Longest sealed text that is looked at; secrets are short. */
const longestText = 64 * 1024

const rawOf = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' }).subarray(publicHead.length)

const publicOf = (raw: Uint8Array): KeyObject => {
  if (raw.length !== 32) throw failure('invalid', 'a sealing key has 32 bytes')
  return createPublicKey({ key: Buffer.concat([publicHead, raw]), format: 'der', type: 'spki' })
}

const keyAndNonce = (
  shared: Uint8Array,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
): { key: Buffer; nonce: Buffer } => {
  const bytes = Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, recipient]), 'swarmsitter seal 1', 44))
  return { key: bytes.subarray(0, 32), nonce: bytes.subarray(32) }
}

/**
 * Seals text to the gate's public key (base64 of 32 raw bytes). Text of the form `sealed:v1:<key>.<ciphertext and
 * tag>`, base64url. @throws Failure `invalid` when the key is none.
 */
export const sealTo = (publicKeyBase64: string, plaintext: string): string => {
  const recipient = Buffer.from(publicKeyBase64, 'base64')
  const fresh = generateKeyPairSync('x25519')
  const ephemeral = rawOf(fresh.publicKey)
  const shared = diffieHellman({ privateKey: fresh.privateKey, publicKey: publicOf(recipient) })
  const { key, nonce } = keyAndNonce(shared, ephemeral, recipient)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${version}${ephemeral.toString('base64url')}.${sealed.toString('base64url')}`
}

/**
 * Opens what was sealed to `privateKey`; the caller zeroes the bytes. @throws Failure `invalid`: not sealed to this
 * gate, or damaged.
 */
export const openSealed = (privateKey: KeyObject, text: string): Buffer => {
  const refused = (): Error =>
    failure('invalid', 'this text is not sealed to this gate: ask the gate for its key and seal again')
  const [ephemeralText, sealedText, more] = text.slice(version.length).split('.')
  if (text.length > longestText || !text.startsWith(version) || !ephemeralText || !sealedText || more !== undefined)
    throw refused()
  const ephemeral = Buffer.from(ephemeralText, 'base64url')
  const sealed = Buffer.from(sealedText, 'base64url')
  if (ephemeral.length !== 32 || sealed.length < tagBytes) throw refused()
  try {
    const shared = diffieHellman({ privateKey, publicKey: publicOf(ephemeral) })
    const { key, nonce } = keyAndNonce(shared, ephemeral, rawOf(createPublicKey(privateKey)))
    const decipher = createDecipheriv('aes-256-gcm', key, nonce)
    decipher.setAuthTag(sealed.subarray(-tagBytes))
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()])
  } catch {
    // The library's reason would tell a stranger where the forgery failed; ours is the same for all.
    throw refused()
  }
}
