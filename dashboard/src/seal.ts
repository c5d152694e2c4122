/**
 * Seals a secret to the gate's key in this page (the same form as src/wire/seal.ts), so that what leaves it opens for the
 * gate alone: X25519 with a fresh key, HKDF-SHA-256 for key and nonce, AES-256-GCM.
 */

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

const joined = (...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Browsers give pages cryptography only where nobody on the way can have changed them: https, or this machine. */
export const canSeal = (): boolean => globalThis.crypto.subtle !== undefined

/** @throws when this browser has no X25519. */
export const sealTo = async (publicKeyBase64: string, text: string): Promise<string> => {
  const { subtle } = crypto
  const recipient = bytesOf(publicKeyBase64)
  const fresh = (await subtle.generateKey('X25519', false, ['deriveBits'])) as CryptoKeyPair
  const ephemeral = new Uint8Array(await subtle.exportKey('raw', fresh.publicKey))
  const theirs = await subtle.importKey('raw', recipient, 'X25519', false, [])
  const shared = await subtle.deriveBits({ name: 'X25519', public: theirs }, fresh.privateKey, 256)
  const material = await subtle.importKey('raw', shared, 'HKDF', false, ['deriveBits'])
  const salt = joined(ephemeral, recipient)
  const stretch = { name: 'HKDF', hash: 'SHA-256', salt, info: new TextEncoder().encode('swarmsitter seal 1') }
  const derived = new Uint8Array(await subtle.deriveBits(stretch, material, 352))
  const key = await subtle.importKey('raw', derived.slice(0, 32), 'AES-GCM', false, ['encrypt'])
  const plain = new TextEncoder().encode(text)
  const sealed = await subtle.encrypt({ name: 'AES-GCM', iv: derived.slice(32) }, key, plain)
  plain.fill(0)
  derived.fill(0)
  return `sealed:v1:${base64url(ephemeral)}.${base64url(new Uint8Array(sealed))}`
}
