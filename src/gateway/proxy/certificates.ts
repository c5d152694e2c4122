/**
 * The gate's own certificate authority, for programs that speak TLS to their upstream and know nothing of a gate. Its
 * key is made from the vault's own pair: the same over restarts and rekeys of the gate, written nowhere, and in no
 * process but the gate. It signs for the hosts of upstreams, whose certificates are made when they are asked for.
 *
 * Node can sign but not issue. The libraries that can bring 20 packages and a global polyfill into the one process
 * that holds secrets, or no elliptic curves (decision 0032), and two fixed forms of certificate are all there is.
 */
import { createECDH, createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { toCivil, type Clock, type Random } from '../../std/std.ts'
import { addressBytes } from '../address.ts'
import * as der from './der.ts'

export interface Authority {
  /** What programs are to trust: one certificate as PEM. */
  readonly pem: string
  /** Serves TLS as this host: a name in lower case, or an address without brackets. */
  contextFor(host: string): SecureContext
}

const dayMs = 86_400_000
/** Programs read it when they start, and some run for years. */
const authorityMs = 3_650 * dayMs
const hostMs = 90 * dayMs
/** A clock that was wrong when a program began must not make it fail. */
const beforeMs = 2 * dayMs
/** As many hosts as a swarm may have upstreams; the longest unused is made again. */
const mostHosts = 1_000

const curveOrder = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const ecdsaWithSha256 = der.sequence(der.identifier('1.2.840.10045.4.3.2'))

/** The P-256 key of 48 bytes or more: so many that none is likelier than another. */
export const keyFrom = (seed: Uint8Array): KeyObject => {
  const number = (BigInt(`0x${Buffer.from(seed).toString('hex')}`) % (curveOrder - 1n)) + 1n
  const scalar = Buffer.from(number.toString(16).padStart(64, '0'), 'hex')
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(scalar)
  const point = pair.getPublicKey()
  const part = (from: number): string => point.subarray(from, from + 32).toString('base64url')
  const key = { kty: 'EC', crv: 'P-256', d: scalar.toString('base64url'), x: part(1), y: part(33) }
  return createPrivateKey({ key, format: 'jwk' })
}

interface Party {
  readonly name: string
  readonly key: KeyObject
}

const publicInfo = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' })

/** RFC 7093: what tells keys apart, 160 bits of their hash. */
const keyId = (key: KeyObject): Buffer => createHash('sha256').update(publicInfo(key)).digest().subarray(0, 20)

const nameOf = (text: string): Buffer =>
  der.sequence(der.set(der.sequence(der.identifier('2.5.4.3'), der.utf8(text.slice(0, 64)))))

const timeOf = (ms: number): Buffer => {
  const text = new Date(ms).toISOString()
  return der.time({ year: Number(text.slice(0, 4)), text: `${text.slice(0, 19).replaceAll(/[-T:]/g, '')}Z` })
}

const extension = (id: string, value: Buffer, critical?: 'critical'): Buffer =>
  der.sequence(der.identifier(id), critical === undefined ? Buffer.alloc(0) : der.yes, der.octets(value))

const keyUsage = (byte: number, unused: number): Buffer =>
  extension('2.5.29.15', der.bits(Buffer.from([byte]), unused), 'critical')

const ofAuthority = (key: KeyObject): readonly Buffer[] => [
  // It signs certificates, and none that sign.
  extension('2.5.29.19', der.sequence(der.yes, der.integer(Buffer.from([0]))), 'critical'),
  keyUsage(0x04, 2),
  extension('2.5.29.14', der.octets(keyId(key))),
]

const ofHost = (host: string, key: KeyObject, issuer: KeyObject): readonly Buffer[] => {
  const address = addressBytes(host)
  const alternative = address === undefined ? der.implicit(2, Buffer.from(host)) : der.implicit(7, address)
  return [
    extension('2.5.29.19', der.sequence(), 'critical'),
    keyUsage(0x80, 7),
    extension('2.5.29.37', der.sequence(der.identifier('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', der.sequence(alternative)),
    extension('2.5.29.14', der.octets(keyId(key))),
    extension('2.5.29.35', der.sequence(der.implicit(0, keyId(issuer)))),
  ]
}

interface Issuing {
  readonly issuer: Party
  readonly subject: Party
  readonly extensions: readonly Buffer[]
  readonly serial: Uint8Array
  readonly fromMs: number
  readonly untilMs: number
}

const certificate = ({ issuer, subject, extensions, serial, fromMs, untilMs }: Issuing): string => {
  const toSign = der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))),
    der.integer(serial),
    ecdsaWithSha256,
    nameOf(issuer.name),
    der.sequence(timeOf(fromMs), timeOf(untilMs)),
    nameOf(subject.name),
    publicInfo(subject.key),
    der.explicit(3, der.sequence(...extensions)),
  )
  const whole = der.sequence(toSign, ecdsaWithSha256, der.bits(sign('sha256', toSign, issuer.key)))
  const lines = whole.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

export interface AuthorityOptions {
  readonly clock: Clock
  readonly random: Random
  /** Tells authorities of swarms apart for people. */
  readonly swarm: string
  /** 48 bytes that nobody else has. */
  readonly seed: Uint8Array
}

export const openAuthority = ({ clock, random, swarm, seed }: AuthorityOptions): Authority => {
  const issuer: Party = { name: `Swarmsitter gate of ${swarm}`, key: keyFrom(seed) }
  // One key for all hosts: whoever had it could only be this gate, for programs of this swarm.
  const own = keyFrom(random.bytes(48))
  const ownPem = own.export({ type: 'pkcs8', format: 'pem' })
  const contexts = new Map<string, { readonly context: SecureContext; readonly renewMs: number }>()

  const issue = (subject: Party, extensions: readonly Buffer[], lastsMs: number): string => {
    const nowMs = toCivil(clock, clock.wallMs())
    const serial = Buffer.from(random.bytes(16))
    serial[0] = (serial[0]! & 0x7f) | 0x40
    const times = { fromMs: nowMs - beforeMs, untilMs: nowMs + lastsMs }
    return certificate({ issuer, subject, extensions, serial, ...times })
  }
  return {
    pem: issue(issuer, ofAuthority(issuer.key), authorityMs),
    contextFor: (host) => {
      const nowMs = toCivil(clock, clock.wallMs())
      const known = contexts.get(host)
      contexts.delete(host)
      // A machine whose date was put back has certificates of its future.
      const isFine = known !== undefined && known.renewMs > nowMs && known.renewMs < nowMs + hostMs
      const cert = (): string => issue({ name: 'Swarmsitter gate', key: own }, ofHost(host, own, issuer.key), hostMs)
      const fresh = isFine
        ? known
        : {
            context: createSecureContext({ key: ownPem, cert: cert(), minVersion: 'TLSv1.2' }),
            renewMs: nowMs + hostMs / 2,
          }
      contexts.set(host, fresh)
      if (contexts.size > mostHosts) contexts.delete(contexts.keys().next().value!)
      return fresh.context
    },
  }
}
