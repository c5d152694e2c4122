/** Client certificates against a server that wants them, and believes one authority alone. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { openRotationWorld, rotation, rulesOf } from '../vault/rotation/world.ts'
import { issue, type Issued } from './certificates.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const openServer = async (authority: Issued) => {
  const own = issue('server', authority)
  const seen: string[] = []
  let answer = (_: IncomingMessage, response: ServerResponse): void => void response.end('{"ok":true}')
  const server = createServer({
    cert: own.certificate,
    key: own.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const socket = request.socket as TLSSocket
    seen.push(String(socket.getPeerCertificate().subject.CN))
    request.resume()
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    answer: (next: typeof answer) => {
      answer = next
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const world = async (authority: Issued, ca: string | null = authority.certificate) => {
  const server = await openServer(authority)
  const rules = rulesOf(server, rotation({ rotator: { by: 'person' }, warnBeforeMs: 7 * 86_400_000 }))
  const upstream = { ...rules.upstreams['bank']!, url: `https://${server.host}`, ca }
  const bank = { ...rules.credentials['bank']!, signing: { kind: 'mtls' } } as const
  const opened = await openRotationWorld(server as never, {
    ...rules,
    upstreams: { bank: upstream },
    credentials: { bank },
  })
  closing.push(opened.close)
  return { ...opened, server }
}
const bundle = ({ certificate, key }: Issued): string => `Bag Attributes\n  friendlyName: x\n${key}${certificate}`

test('calls go over a connection of the certificate that is set, and over a new one when another is', async () => {
  const authority = issue('authority')
  const { set, call, server, view } = await world(authority)
  const first = issue('client-1', authority, Date.now() + 5 * 86_400_000)
  await set(bundle(first))
  for (let count = 0; count < 3; count += 1) expect((await call()).status).toBe(200)
  expect(server.seen).toEqual(['client-1', 'client-1', 'client-1'])
  // Its end is the certificate's own, and waits for a person in time.
  const { expiresMs, ending, concern } = await view()
  expect(expiresMs).toBe(Date.parse(new X509Certificate(first.certificate).validTo))
  expect(ending).toMatchObject({ what: 'ends at its provider' })
  expect(concern).toMatchObject({ severity: 'warning', isDue: true })
  const second = issue('client-2', authority)
  await set(second.certificate + second.key)
  expect((await call()).status).toBe(200)
  expect(server.seen.at(-1)).toBe('client-2')
  expect((await view()).concern).toBe(null)
})

test('a key that comes back is blotted out; a certificate of a stranger is no answer and nothing is repeated', async () => {
  const authority = issue('authority')
  const { set, call, server } = await world(authority)
  const client = issue('client', authority)
  await set(bundle(client))
  const body = client.key.split('\n').slice(1, -2).join('')
  server.answer((_, response) => void response.end(JSON.stringify({ echo: client.key, line: body })))
  const answered = await call()
  expect(answered.status).toBe(200)
  expect(answered.body.replaceAll('\\n', '')).not.toContain(body)
  const stranger = issue('stranger', issue('another authority'))
  await set(bundle(stranger))
  const seen = server.seen.length
  expect([502, 503, 504]).toContain((await call()).status)
  expect(server.seen.length).toBe(seen)
})

test('an upstream whose authority is not told is not believed, and nothing is sent to it', async () => {
  const authority = issue('authority')
  const { set, call, server } = await world(authority, null)
  await set(bundle(issue('client', authority)))
  const { status, body } = await call()
  expect({ status, body }).toMatchObject({ body: expect.stringContaining('nothing was sent') as string })
  expect(server.seen).toEqual([])
})

test('what is no certificate with its key is not kept, and says what is missing', async () => {
  const authority = issue('authority')
  const { set, view } = await world(authority)
  const [client, other] = [issue('client', authority), issue('other', authority)]
  const refused = async (secret: string): Promise<string> => {
    const error = (await set(secret).catch((cause: unknown) => cause)) as Error & { code: string }
    expect(error.code).toBe('invalid')
    expect(error.message).not.toContain(client.key.split('\n')[1]!)
    return error.message
  }
  expect(await refused(client.key)).toContain('no certificate')
  expect(await refused(client.certificate)).toContain('0 private keys')
  expect(await refused(client.certificate + other.key)).toContain('belongs to none')
  expect(await refused(bundle(client) + other.key)).toContain('2 private keys')
  expect(await refused(client.certificate.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA') + client.key)).toMatch(
    /certificate/,
  )
  expect((await view()).active).toBe(null)
})
