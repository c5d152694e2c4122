/**
 * A client certificate (RFC 8446, 4.4.2): nothing is added to the request, it goes over a connection that was opened
 * with the certificate. The secret is PEM: the certificate, those between it and its authority, and its private key, in
 * any order; what stands around them (`Bag Attributes` of OpenSSL) is left alone.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { failure } from '../../std/std.ts'
import type { Fault } from './form.ts'
import type { ClientIdentity, Signer } from './signer.ts'

const block = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g

interface Parts {
  readonly certificates: readonly string[]
  readonly keys: readonly string[]
}

const partsIn = (secret: string): Parts => {
  const found = [...secret.matchAll(block)].map(([text, kind]) => ({ text, kind: kind! }))
  return {
    certificates: found.filter(({ kind }) => kind === 'CERTIFICATE').map(({ text }) => text),
    keys: found.filter(({ kind }) => kind.endsWith('PRIVATE KEY')).map(({ text }) => text),
  }
}

const certificateIn = (text: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(text)
  } catch {
    return undefined // what is wrong with it is of no use to whoever set it
  }
}
const keyIn = (text: string): KeyObject | undefined => {
  try {
    return createPrivateKey(text)
  } catch {
    return undefined // the cause could show a part of the key
  }
}

/** Its own certificate comes first, whatever order they were given in. */
const ownFirst = ({ certificates, keys }: Parts): readonly string[] | undefined => {
  const key = keyIn(keys[0] ?? '')
  const own = key === undefined ? undefined : certificates.find((text) => certificateIn(text)?.checkPrivateKey(key))
  return own === undefined ? undefined : [own, ...certificates.filter((text) => text !== own)]
}

const faultIn = (secret: string): Fault => {
  const parts = partsIn(secret)
  if (parts.certificates.length === 0) return 'it has no certificate (-----BEGIN CERTIFICATE-----)'
  if (parts.keys.length !== 1) return `it has ${parts.keys.length} private keys`
  if (parts.keys[0]!.includes('ENCRYPTED')) return 'its private key is encrypted: openssl pkey -in key.pem'
  if (parts.certificates.some((text) => certificateIn(text) === undefined)) return 'a certificate in it cannot be read'
  if (keyIn(parts.keys[0]!) === undefined) return 'its private key cannot be read'
  return ownFirst(parts) === undefined ? 'its private key belongs to none of its certificates' : undefined
}

const identityIn = (secret: string): ClientIdentity => {
  const parts = partsIn(secret)
  const chain = ownFirst(parts)
  if (chain === undefined)
    throw failure('credential-unavailable', 'its secret is no certificate with its private key: sitter vault set')
  return { certificate: chain.join('\n'), key: parts.keys[0]! }
}

/** A rest that is shorter than this tells nothing, and could stand anywhere. */
const shortestLine = 16

/** The key in one line, and in lines of 64 as PEM has them, whatever stands between those. */
const secretsIn = (key: string): readonly string[] => {
  const whole = key.replace(/-----[A-Z0-9 ]+-----/g, '').replace(/\s+/g, '')
  return [whole, ...(whole.match(/.{1,64}/g) ?? []).filter((line) => line.length >= shortestLine)]
}

export const mtls: Signer = {
  needsBody: false,
  form: 'PEM: the certificate with those up to its authority, and its private key (sitter vault set … < client.pem)',
  fault: faultIn,
  endsMs: (secret) => {
    const own = ownFirst(partsIn(secret))?.[0]
    const endMs = own === undefined ? Number.NaN : Date.parse(certificateIn(own)?.validTo ?? '')
    return Number.isNaN(endMs) ? null : endMs
  },
  sign: ({ query }, secret) => {
    const identity = identityIn(secret)
    return { query, headers: [], secrets: secretsIn(identity.key), identity }
  },
}
