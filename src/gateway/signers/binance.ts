/**
 * Binance's signatures, which several exchanges share: `timestamp` and `recvWindow` in the query, then a signature over
 * query and body (without anything between them) as its last parameter; the key's id in a header. What is signed is
 * exactly what is sent, percent-encoded already (mandatory since 2026-01-15). The secret is `apiKey:secret`: the HMAC
 * secret, or the Ed25519 key as base64 of its PKCS 8 form.
 */
import { createHmac, createPrivateKey, sign as signBytes } from 'node:crypto'
import { failure } from '../../std/std.ts'
import { partsFault, type Fault } from './form.ts'
import { parameterNames, partsOf, withParameters, type Signer } from './signer.ts'

type Sign = (secret: string, payload: string) => string

const own = ['timestamp', 'recvWindow', 'signature']

/** HMAC-SHA256 as hex. */
export const hmacOf: Sign = (secret, payload) => createHmac('sha256', secret).update(payload).digest('hex')

const keyIn = (secret: string): ReturnType<typeof createPrivateKey> | undefined => {
  try {
    return createPrivateKey({ key: Buffer.from(secret, 'base64'), format: 'der', type: 'pkcs8' })
  } catch {
    return undefined // the cause could show a part of the key
  }
}

/** Ed25519 as base64. */
export const ed25519Of: Sign = (secret, payload) => {
  const key = keyIn(secret)
  if (key === undefined)
    throw failure('credential-unavailable', 'its secret is no base64 of a PKCS 8 private key: sitter vault set')
  return signBytes(null, Buffer.from(payload), key).toString('base64')
}

const keyFault = (secret: string): Fault => {
  const fault = partsFault(secret)
  if (fault !== undefined) return fault
  const key = keyIn(partsOf(secret, 'apiKey:secret')[1])
  if (key === undefined) return 'after its colon stands no base64 of a PKCS 8 private key'
  return key.asymmetricKeyType === 'ed25519' ? undefined : `its key is one of ${key.asymmetricKeyType}, not of Ed25519`
}

const signer =
  (sign: Sign, form: string, fault: (secret: string) => Fault) =>
  (keyHeader: string, windowMs: number): Signer => ({
    needsBody: true,
    form,
    fault,
    own: { parameters: own },
    sign: ({ query, body, nowMs }, secret) => {
      const [keyId, key] = partsOf(secret, 'apiKey:secret')
      const given = [...parameterNames(query), ...parameterNames(body ?? '')]
      const taken = own.find((name) => given.includes(name))
      if (taken !== undefined) throw failure('invalid', `the gate adds ${taken} itself: leave it out`)
      const timed = withParameters(query, [
        ['recvWindow', String(windowMs)],
        ['timestamp', String(Math.round(nowMs))],
      ])
      const signature = sign(key, timed.slice(1) + (body ?? ''))
      return {
        query: withParameters(timed, [['signature', signature]]),
        headers: [[keyHeader, keyId]],
        secrets: [keyId, key],
      }
    },
  })

export const hmac = signer(hmacOf, 'apiKey:secret', (secret) => partsFault(secret))
export const ed25519 = signer(
  ed25519Of,
  'apiKey: and the key, base64 of its PKCS 8 form (openssl pkey -in key.pem -outform DER | base64 -w0)',
  keyFault,
)
