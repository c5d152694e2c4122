/** An upstream that speaks TLS, by an authority that this process trusts and no program has heard of. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import { createServer as createTcp } from 'node:net'
import { getCACertificates, setDefaultCACertificates, TLSSocket } from 'node:tls'
import { openAuthority } from '../../../src/gateway/proxy/certificates.ts'
import { realClock, realRandom } from '../../../src/std/real/real.ts'

export interface SecureUpstream {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly seen: readonly {
    readonly method: string
    readonly url: string
    readonly headers: IncomingMessage['headers']
  }[]
  /** TCP connections so far, whatever became of them. */
  connections(): number
  answer(handle: (request: IncomingMessage, response: ServerResponse) => void): void
  readonly pem: string
  close(): Promise<void>
}

/** Its host must be an address of this machine. */
export const openSecureUpstream = async (address: string): Promise<SecureUpstream> => {
  const authority = openAuthority({
    clock: realClock(),
    random: realRandom(),
    swarm: 'an upstream of a test',
    seed: randomBytes(48),
  })
  setDefaultCACertificates([...getCACertificates(), authority.pem])
  const seen: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
  let connections = 0
  let handle = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
  }
  const http = createServer((request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    handle(request, response)
  })
  const sockets = new Set<TLSSocket>()
  const server = createTcp((raw) => {
    connections += 1
    const socket = new TLSSocket(raw, { isServer: true, secureContext: authority.contextFor(address) })
    sockets.add(socket)
    socket.on('error', () => {
      /* who does not trust it leaves */
    })
    socket.once('secure', () => http.emit('connection', socket))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, address, resolve)
  })
  const { port } = server.address() as { port: number }
  return {
    host: `${address}:${port}`,
    port,
    url: `https://${address}:${port}`,
    seen,
    connections: () => connections,
    answer: (next) => {
      handle = next
    },
    pem: authority.pem,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
