/** Certificates for tests, made as they are needed: Node reads them and writes none. X.509 in DER, P-256 and SHA-256. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

type Bytes = Buffer

const der = (tag: number, ...parts: readonly Bytes[]): Bytes => {
  const body = Buffer.concat(parts)
  const length =
    body.length < 128
      ? Buffer.from([body.length])
      : body.length < 256
        ? Buffer.from([0x81, body.length])
        : Buffer.from([0x82, body.length >> 8, body.length & 0xff])
  return Buffer.concat([Buffer.from([tag]), length, body])
}
const sequence = (...parts: readonly Bytes[]): Bytes => der(0x30, ...parts)
const hex = (text: string): Bytes => Buffer.from(text, 'hex')

const ecdsaWithSha256 = sequence(der(0x06, hex('2a8648ce3d040302')))
const commonName = (name: string): Bytes =>
  sequence(der(0x31, sequence(der(0x06, hex('550403')), der(0x0c, Buffer.from(name)))))
const time = (atMs: number): Bytes =>
  der(
    0x18,
    Buffer.from(
      `${new Date(atMs)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(0, 14)}Z`,
    ),
  )
const extension = (id: string, value: Bytes, critical = false): Bytes =>
  sequence(der(0x06, hex(id)), ...(critical ? [hex('0101ff')] : []), der(0x04, value))

export interface Issued {
  readonly certificate: string
  readonly key: string
  readonly privateKey: KeyObject
  readonly name: string
}
const pem = (kind: string, bytes: Bytes): string =>
  `-----BEGIN ${kind}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${kind}-----\n`

let serial = 1

/** A certificate of its own authority, or of `by`. Good for localhost and 127.0.0.1. */
export const issue = (name: string, by?: Issued, endsMs = Date.now() + 30 * 86_400_000): Issued => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))
  const constraint = by === undefined ? sequence(hex('0101ff')) : sequence()
  const toSign = sequence(
    der(0xa0, hex('020102')),
    der(0x02, Buffer.from([serial++ & 0x7f || 1])),
    ecdsaWithSha256,
    commonName((by ?? { name }).name),
    sequence(time(Date.now() - 86_400_000), time(endsMs)),
    commonName(name),
    publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, sequence(extension('551d11', names), extension('551d13', constraint, true))),
  )
  const signature = sign('sha256', toSign, by?.privateKey ?? privateKey)
  const bytes = sequence(toSign, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature))
  return {
    certificate: pem('CERTIFICATE', bytes),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    privateKey,
    name,
  }
}
