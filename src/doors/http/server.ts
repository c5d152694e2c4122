/**
 * The raw server. Each request is admitted on its raw form (admit.ts) before anything parses it. At the bound of
 * connections the one that has been silent longest, without any request, makes room; where none is silent the answer
 * is 503 with Retry-After; over twice the bound it is given without reading the request. Nothing is dropped without a
 * word.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Failure, sleep, type Clock } from '../../std/std.ts'
import { admit, type House } from './admit.ts'
import type { Identity } from './identity.ts'
import { problemOf, safety } from './problem.ts'
import type { Answer, Entry } from './route.ts'

export interface HttpBounds {
  readonly connections: number
  readonly headersMs: number
  readonly requestMs: number
  /** How often the server looks for requests that are too slow. */
  readonly checkMs: number
  /** How long requests in hand may go on after `stop`. */
  readonly stopMs: number
}
export const httpBounds: HttpBounds = {
  connections: 1_024,
  headersMs: 10_000,
  requestMs: 60_000,
  checkMs: 2_000,
  stopMs: 2_000,
}

export interface ServerParts {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly newId: () => string
  readonly identity: Identity
  readonly openPaths: ReadonlySet<string>
  readonly bounds: HttpBounds
  readonly answer: Answer
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::' || host === ''

const namesOf = (host: string): ReadonlySet<string> =>
  new Set(['localhost', '127.0.0.1', '[::1]', ...(isWildcard(host) ? [] : [bracketed(host).toLowerCase()])])

const sendProblem = (outgoing: ServerResponse, failure: Failure, id: string): void => {
  const { status, headers, body } = problemOf(failure, id)
  outgoing.writeHead(status, { ...safety, ...headers, 'x-request-id': id, connection: 'close' })
  outgoing.end(JSON.stringify(body))
}

/** An answer on a socket of which no request was made. */
const sendRaw = (socket: Socket, status: string, failure: Failure): void => {
  const { headers, body } = problemOf(failure, 'none')
  const text = JSON.stringify({ ...body, status: Number(status.slice(0, 3)) })
  const lines = Object.entries({ ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(text)) })
  socket.end(`HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`)
}

/**
 * Connections, and among them those that never sent a whole request, oldest first. A slow sender costs only itself:
 * measured with 3,000 of them, see test/bounds.
 */
class Crowd {
  readonly #all = new Set<Socket>()
  readonly #silent = new Set<Socket>()

  get size(): number {
    return this.#all.size
  }

  enter(socket: Socket): void {
    this.#all.add(socket)
    this.#silent.add(socket)
    socket.once('close', () => this.#leave(socket))
  }

  spoke(socket: Socket): void {
    this.#silent.delete(socket)
  }

  /** Takes the one out that has been silent longest, but not `newest`; undefined when there is none. */
  silentOut(newest: Socket): Socket | undefined {
    const oldest = this.#silent.values().next().value
    if (oldest === undefined || oldest === newest) return undefined
    this.#leave(oldest)
    return oldest
  }

  #leave(socket: Socket): void {
    this.#all.delete(socket)
    this.#silent.delete(socket)
  }
}

/** What the parser refuses never becomes a request. */
const refuseUnparsed = (error: NodeJS.ErrnoException, socket: Socket): void => {
  // An answer that has begun is cut, not followed by another one within it.
  const { _httpMessage: answering } = socket as { readonly _httpMessage?: ServerResponse | null }
  if (error.code === 'ECONNRESET' || !socket.writable || answering?.headersSent === true) {
    socket.destroy()
    return
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return sendRaw(socket, '431 Request Header Fields Too Large', new Failure('too-large', 'the headers are too large'))
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return sendRaw(socket, '408 Request Timeout', new Failure('usage', 'the request took too long to arrive'))
  }
  sendRaw(socket, '400 Bad Request', new Failure('usage', 'this is not an HTTP request'))
}

/** Requests as web requests for `answer`, with who asks beside them. */
const listenerOf = (
  answer: Answer,
  entryOf: (incoming: IncomingMessage) => Entry,
): ReturnType<typeof getRequestListener> =>
  getRequestListener(
    (request, bindings) => {
      const { incoming, outgoing } = bindings as HttpBindings
      return answer(request, { incoming, outgoing, entry: entryOf(incoming) })
    },
    {
      overrideGlobalObjects: false,
      // What arrives here is no answer of a route: a request that no Request can be made of (TRACE), or a reader that
      // went away.
      errorHandler: () => {
        const { status, headers, body } = problemOf(new Failure('usage', 'this request cannot be read'), 'none')
        return new Response(JSON.stringify(body), { status, headers: { ...safety, ...headers } })
      },
    },
  )

const makeServer = ({ bounds, identity, openPaths, host, newId, answer }: ServerParts): Server => {
  const crowd = new Crowd()
  const entries = new WeakMap<IncomingMessage, Entry>()
  const listener = listenerOf(answer, (incoming) => entries.get(incoming)!)
  const house: House = { names: namesOf(host), openPaths, identity }
  const server = createServer(
    {
      // A missing Host is refused by admit, in the same words as a wrong one.
      requireHostHeader: false,
      headersTimeout: bounds.headersMs,
      requestTimeout: bounds.requestMs,
      connectionsCheckingInterval: bounds.checkMs,
    },
    (incoming, outgoing) => {
      const id = newId()
      crowd.spoke(incoming.socket)
      if (crowd.size > bounds.connections)
        return sendProblem(outgoing, new Failure('overloaded', 'too many connections'), id)
      const {
        method = '',
        url = '',
        rawHeaders,
        socket: { localAddress, remoteAddress },
      } = incoming
      const admission = admit({ method, target: url, rawHeaders, localAddress, remoteAddress }, house)
      if ('refused' in admission) return sendProblem(outgoing, admission.refused, id)
      entries.set(incoming, { principal: admission.principal, id, address: remoteAddress ?? '' })
      // Once the door closes, a connection ends with its answer instead of waiting for another request.
      outgoing.once('close', () => {
        if (!server.listening) server.closeIdleConnections()
      })
      void listener(incoming, outgoing)
    },
  )
  server.on('connection', (socket: Socket) => {
    crowd.enter(socket)
    const silent = crowd.size > bounds.connections ? crowd.silentOut(socket) : undefined
    if (silent !== undefined) {
      sendRaw(silent, '503 Service Unavailable', new Failure('overloaded', 'too many connections, and it was silent'))
      silent.destroySoon()
    }
    if (crowd.size > bounds.connections * 2)
      sendRaw(socket, '503 Service Unavailable', new Failure('overloaded', 'too many connections'))
  })
  server.on('clientError', refuseUnparsed)
  return server
}

const listen = (server: Server, host: string, port: number): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      reject(
        new Failure('port-taken', `port ${port} of ${host} is taken; set another with api.port in the config`, {
          cause: error,
        }),
      )
    })
    server.listen({ host, port, backlog: 1_024 }, () => resolve(server.address() as AddressInfo))
  })

export const serve = async (
  parts: ServerParts,
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> => {
  const server = makeServer(parts)
  const { port } = await listen(server, parts.host, parts.port)
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
    server.closeIdleConnections()
    const patience = new AbortController()
    await Promise.race([closed, sleep(parts.clock, parts.bounds.stopMs, patience.signal)])
    patience.abort()
    server.closeAllConnections()
    await closed
  }
  return { url: `http://${isWildcard(parts.host) ? '127.0.0.1' : bracketed(parts.host)}:${port}`, stop }
}
