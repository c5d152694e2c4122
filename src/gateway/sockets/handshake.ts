/** The agent's end of a WebSocket's handshake (RFC 6455): what it asks for, and an answer where no upgrade follows. */
import type { IncomingMessage, ServerResponse as Response } from 'node:http'
import type { Duplex } from 'node:stream'
import { ServerResponse } from '../http.ts'
import type { Problem } from '../problem.ts'

/** Whether a request asks for a WebSocket; any other upgrade is not heard, and the request is served as it is. */
export const wantsSocket = ({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'

const protocolText = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,200}$/
const mostProtocols = 20
const keyText = /^[+/0-9A-Za-z]{22}==$/

/** The subprotocols that are offered, in order; undefined when they are no list of names. */
export const protocolsOf = (offered: string | undefined): readonly string[] | undefined => {
  if (offered === undefined) return []
  const names = offered.split(',').map((name) => name.trim())
  const isList = names.length <= mostProtocols && names.every((name) => protocolText.test(name))
  return isList && new Set(names).size === names.length ? names : undefined
}

/** What is wrong with a handshake. */
export const handshakeProblem = ({ headers }: IncomingMessage): Problem | undefined => {
  const wrong = (message: string, status = 400): Problem => ({ code: 'invalid', status, message })
  if (headers['sec-websocket-version'] !== '13') return wrong('the gate speaks version 13 of WebSocket', 426)
  if (!keyText.test(headers['sec-websocket-key'] ?? '')) return wrong('a handshake has one Sec-WebSocket-Key')
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
    return wrong('a handshake has no body')
  return protocolsOf(headers['sec-websocket-protocol']) === undefined
    ? wrong('Sec-WebSocket-Protocol is a list of names, each once')
    : undefined
}

/** An agent may say that much before it has heard that it may; nobody honest does. */
const mostEarlyBytes = 65_536

/**
 * A socket between its request and its answer. Who is not read from is not heard to go away either, so it is read, and
 * what it says meanwhile is kept. `take` gives that back, with the socket as it was.
 */
export const waitOn = (socket: Duplex, head: Buffer, gone: () => void): { take(): Buffer } => {
  const early = [head]
  let bytes = head.length
  const hear = (chunk: Buffer): void => {
    early.push(chunk)
    bytes += chunk.length
    if (bytes > mostEarlyBytes) socket.destroy()
  }
  const end = (): void => {
    socket.destroy()
  }
  socket.on('data', hear).on('end', end).on('close', gone)
  return {
    take: () => {
      socket.off('data', hear).off('end', end).off('close', gone).pause()
      return Buffer.concat(early)
    },
  }
}

/** An ordinary answer to a request whose socket was taken over already; its connection ends with it. */
export const responseOn = (request: IncomingMessage, socket: Duplex): Response => {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as never)
  response.on('finish', () => {
    response.detachSocket(socket as never)
    socket.end()
  })
  return response
}
