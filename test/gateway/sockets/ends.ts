/** An upstream that speaks WebSocket, and an agent's socket by a cell's door. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import type { TestUpstream } from '../upstream.ts'

/** An upstream that speaks WebSocket; `serve` has each connection, and by default says back what it hears. */
export const openSocketUpstream = async () => {
  const handshakes: IncomingMessage[] = []
  const open = new Set<WebSocket>()
  let serve = (socket: WebSocket, _request: IncomingMessage): void => {
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
  }
  let connections = 0
  const server = createServer((_request, response) => response.writeHead(404).end('no socket'))
  const sockets = new WebSocketServer({ server, perMessageDeflate: true, handleProtocols: ([first]) => first ?? false })
  server.on('connection', () => {
    connections += 1
  })
  sockets.on('connection', (socket, request) => {
    handshakes.push(request)
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => {
      /* what a test does to it */
    })
    serve(socket, request)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const upstream: TestUpstream = {
    port,
    host: `127.0.0.1:${port}`,
    seen: [],
    answer: () => {},
    reached: () => Promise.resolve(),
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.terminate()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return {
    upstream,
    handshakes,
    open,
    connections: () => connections,
    serve: (next: typeof serve) => {
      serve = next
    },
  }
}

export interface Client {
  readonly socket: WebSocket
  readonly said: string[]
  /** How it closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  next(): Promise<string>
}

/** An agent's socket by a cell's door; rejects with the status of an answer that is no upgrade. */
export const openBy = (
  door: string,
  path: string,
  options: ClientOptions = {},
  protocols: string[] = [],
): Promise<Client> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws+unix://${door}:${path}`, protocols, { headers: { host: 'gate' }, ...options })
    const said: string[] = []
    const waiting: ((text: string) => void)[] = []
    const closed = new Promise<{ code: number; reason: string }>((told) => {
      socket.on('close', (code, reason) => told({ code, reason: reason.toString() }))
    })
    socket.on('message', (data) => {
      const text = (data as Buffer).toString('latin1')
      const wanted = waiting.shift()
      if (wanted === undefined) said.push(text)
      else wanted(text)
    })
    const next = (): Promise<string> =>
      said.length > 0 ? Promise.resolve(said.shift()!) : new Promise((told) => waiting.push(told))
    socket.on('open', () => resolve({ socket, said, closed, next }))
    socket.on('unexpected-response', (_request, answer) => {
      let body = ''
      answer.on('data', (chunk) => (body += String(chunk)))
      answer.on('end', () => reject(Object.assign(new Error(`${answer.statusCode} ${body}`), { answer })))
    })
    socket.on('error', reject)
  })
