import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { keyFrom, openAuthority } from '../../../src/gateway/proxy/certificates.ts'
import { realClock, realRandom } from '../../../src/std/real/real.ts'
import { seeded, type Clock } from '../../../src/std/std.ts'

let closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.toReversed()) close()
  closing = []
})

const seed = createHash('sha512').update('a seed').digest().subarray(0, 48)
const authority = (more: Partial<Parameters<typeof openAuthority>[0]> = {}) =>
  openAuthority({ clock: realClock(), random: realRandom(), swarm: 'testswarm', seed, ...more })

/** A TLS server with the authority's certificate for a host. */
const serve = async (host: string, of = authority()): Promise<number> => {
  const server = createServer({ SNICallback: (_name, give) => give(null, of.contextFor(host)) }, (socket) => {
    socket.end('hello')
  })
  server.on('tlsClientError', () => {
    /* a client that does not trust it says so and leaves */
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => server.close())
  return (server.address() as { port: number }).port
}

const file = (text: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'ca-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'ca.pem'), text)
  return join(folder, 'ca.pem')
}

/** The certificate that a host is served with, as it is seen by a client. */
const seenBy = (port: number, ca: string, name: string): Promise<{ cert: X509Certificate; authorized: boolean }> =>
  new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', servername: name, ca, rejectUnauthorized: false })
    socket.on('secureConnect', () => {
      resolve({ cert: socket.getPeerX509Certificate()!, authorized: socket.authorized })
      socket.destroy()
    })
    socket.on('error', reject)
  })

test('the authority is the same for the same seed, whenever and wherever it is opened, and another for another', async () => {
  const [one, other] = [authority(), authority()]
  const stranger = authority({ seed: createHash('sha512').update('another').digest().subarray(0, 48) })
  const key = (pem: string): string =>
    new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' }).toString()
  expect(key(one.pem)).toBe(key(other.pem))
  expect(key(one.pem)).not.toBe(key(stranger.pem))
  // A program that began under one gate trusts the next.
  const port = await serve('api.test', other)
  expect((await seenBy(port, one.pem, 'api.test')).authorized).toBe(true)
  expect((await seenBy(port, stranger.pem, 'api.test')).authorized).toBe(false)
})

test('Node, and Python with OpenSSL in its strict mode, take a certificate for its host, and for no other', async () => {
  const of = authority()
  const ca = new X509Certificate(of.pem)
  expect([ca.ca, ca.verify(ca.publicKey), ca.subject]).toEqual([true, true, 'CN=Swarmsitter gate of testswarm'])
  const port = await serve('api.test', of)
  const { cert, authorized } = await seenBy(port, of.pem, 'api.test')
  expect(authorized).toBe(true)
  expect([cert.ca, cert.checkIssued(ca), cert.verify(ca.publicKey)]).toEqual([false, true, true])
  expect([cert.checkHost('api.test'), cert.checkHost('other.test')]).toEqual(['api.test', undefined])
  const caFile = file(of.pem)
  const python = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
for name in ('api.test', 'other.test'):
    try:
        with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as raw:
            with context.wrap_socket(raw, server_hostname=name) as secure:
                print(name, secure.version())
    except ssl.SSLCertVerificationError as error:
        print(name, error.verify_code)
`
  const { stdout } = await promisify(execFile)('python3', ['-c', python, caFile, String(port)])
  expect(stdout).toBe('api.test TLSv1.3\nother.test 62\n')
})

test('addresses of both families are in a certificate as addresses', () => {
  for (const [host, shown] of [
    ['127.0.0.2', 'IP Address:127.0.0.2'],
    ['::1', 'IP Address:0:0:0:0:0:0:0:1'],
  ] as const) {
    const context = authority().contextFor(host) as unknown as { context: { getCertificate(): Buffer } }
    expect(new X509Certificate(context.context.getCertificate()).subjectAltName).toBe(shown)
  }
})

test('a certificate is made once and again when half of its time is over, or the date went back', () => {
  let nowMs = Date.UTC(2026, 1, 1)
  const clock: Clock = { ...realClock(), wallMs: () => nowMs }
  delete (clock as { civilMs?: unknown }).civilMs
  const of = authority({ clock })
  const dayMs = 86_400_000
  const first = of.contextFor('api.test')
  nowMs += 40 * dayMs
  expect(of.contextFor('api.test')).toBe(first)
  nowMs += 10 * dayMs
  const second = of.contextFor('api.test')
  expect(second).not.toBe(first)
  nowMs -= 365 * dayMs
  expect(of.contextFor('api.test')).not.toBe(second)
  // Beyond 2049 years have four digits.
  nowMs = Date.UTC(2051, 5, 1)
  const late = new X509Certificate(authority({ clock }).pem)
  expect(late.validTo).toMatch(/2061 GMT$/)
})

test('keys of any seed are keys of the curve', () => {
  const random = seeded(7)
  for (const bytes of [
    new Uint8Array(48),
    new Uint8Array(48).fill(255),
    ...Array.from({ length: 50 }, () => random.bytes(48)),
  ])
    expect(keyFrom(bytes).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
})
