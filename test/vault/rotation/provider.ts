/**
 * A provider that issues keys and ends them for real. It keeps its own log: when each key was made, last used (and that
 * use answered), and revoked, and what was refused.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

export interface Key {
  readonly id: string
  readonly secret: string
  readonly label: string
  revokedMs: number | null
  /** When it was last shown, also after its end. */
  lastSeenMs: number | null
  /** When the last answer to a call with it was given. */
  lastAnsweredMs: number | null
  calls: number
  /** What it is answered at other routes than the keys' own, when that is no success. */
  readonly answers: number | null
}
export interface KeyProvider {
  readonly host: string
  readonly keys: readonly Key[]
  readonly first: Key
  /** Calls (not of the keys' own routes) that were answered 401. */
  refused(): number
  calls(): number
  /** What happens to the next mint: its answer is lost after, or before, it had its effect. */
  loseMint(when: 'after' | 'before' | null): void
  /** With what the calls with keys that are made from now on are answered; null = as usual. */
  mintAnswering(status: number | null): void
  /** WebSockets that were cut because their key was revoked under them. */
  cut(): number
  /** Whether keys can be ended now. */
  breakRevoke(broken: boolean): void
  close(): Promise<void>
}

const newSecret = (): string => `key-${randomBytes(15).toString('hex')}`

export const openKeyProvider = async (latencyMs = 20): Promise<KeyProvider> => {
  const keys: Key[] = []
  const issue = (label: string): Key => {
    const key: Key = {
      id: `kid_${keys.length + 1}`,
      secret: newSecret(),
      label,
      revokedMs: null,
      lastSeenMs: null,
      lastAnsweredMs: null,
      calls: 0,
      answers: state.answers,
    }
    keys.push(key)
    return key
  }
  const state = {
    refused: 0,
    calls: 0,
    cut: 0,
    lose: null as 'after' | 'before' | null,
    broken: false,
    answers: null as number | null,
  }
  const first = issue('by hand')
  const json = (response: ServerResponse, status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }
  const mint = (request: IncomingMessage, response: ServerResponse, label: string): void => {
    const { lose } = state
    state.lose = null
    if (lose === 'before') return void request.socket.destroy()
    const { id, secret } = issue(label)
    if (lose === 'after') return void request.socket.destroy()
    json(response, 201, { id, secret, label })
  }
  const ofKeys = (request: IncomingMessage, response: ServerResponse, asked: { body: string; by: Key }): void => {
    const { body, by } = asked
    if (request.url === '/keys/self') return json(response, 200, { id: by.id })
    if (request.method === 'POST') return mint(request, response, (JSON.parse(body) as { label: string }).label)
    if (request.method === 'GET')
      return json(response, 200, {
        items: keys.filter(({ revokedMs }) => revokedMs === null).map(({ id, label }) => ({ id, label })),
      })
    const key = keys.find(({ id }) => request.url!.endsWith(`/${id}`))
    if (state.broken) return json(response, 503, {})
    if (key === undefined || key.revokedMs !== null) return json(response, 404, {})
    key.revokedMs = performance.now()
    for (const socket of sockets.clients) {
      if (opened.get(socket) !== key) continue
      state.cut += 1
      socket.terminate()
    }
    json(response, 200, {})
  }
  const keyOf = (request: IncomingMessage): Key | undefined =>
    keys.find(({ secret }) => secret === request.headers.authorization?.replace('Bearer ', ''))
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const isOwn = request.url!.startsWith('/keys')
      const shown = keyOf(request)
      if (shown !== undefined && !isOwn) shown.lastSeenMs = performance.now()
      const key = shown?.revokedMs === null ? shown : undefined
      if (key === undefined) {
        if (!isOwn && request.url !== '/ping') state.refused += 1
        return json(response, 401, { error: 'this key is not known' })
      }
      if (isOwn) return ofKeys(request, response, { body: Buffer.concat(chunks).toString(), by: key })
      if (key.answers !== null) return json(response, key.answers, { error: 'this key may not' })
      setTimeout(
        () => {
          // Revoked while it was answered: whoever revoked it did not wait for its last use.
          if (key.revokedMs !== null) {
            state.refused += 1
            return json(response, 401, { error: 'this key was revoked meanwhile' })
          }
          key.calls += 1
          if (request.url !== '/ping') state.calls += 1
          key.lastAnsweredMs = performance.now()
          json(response, 200, { ok: true })
        },
        request.url === '/ping' ? 0 : latencyMs,
      )
    })
  })
  // Each says back what it hears, as long as its key lives.
  const opened = new WeakMap<object, Key>()
  const verifyClient = ({ req }: { readonly req: IncomingMessage }): boolean => keyOf(req)?.revokedMs === null
  const sockets = new WebSocketServer({ server, verifyClient })
  sockets.on('connection', (socket, request) => {
    opened.set(socket, keyOf(request)!)
    socket.on('message', (data) => socket.send(data as Buffer, { binary: false }))
  })
  // A provider that closes connections just when they are used again would lose calls, which is another matter.
  server.keepAliveTimeout = 120_000
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${port}`,
    keys,
    first,
    refused: () => state.refused,
    calls: () => state.calls,
    loseMint: (when) => {
      state.lose = when
    },
    mintAnswering: (status) => {
      state.answers = status
    },
    cut: () => state.cut,
    breakRevoke: (broken) => {
      state.broken = broken
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
