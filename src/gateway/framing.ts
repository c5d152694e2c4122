/**
 * What no call may be made of: bytes that are no HTTP request, and heads that two readers could take for different
 * ones. Each is answered once, with a problem, and where its end is not known its connection ends with it.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from './http.ts'
import { answerProblem, problemText, type Problem } from './problem.ts'

/** Bytes of a head, the agent's or the upstream's. */
export const mostHeaderBytes = 16_384
/** Headers of a request. Node keeps 2,000 by default and drops the others unseen, so it is told to keep all. */
const mostHeaders = 256

export const serverOptions = {
  maxHeaderSize: mostHeaderBytes,
  requestTimeout: 120_000,
  headersTimeout: 20_000,
  keepAliveTimeout: 60_000,
  // No stream is made ready for a body that no header tells of.
  optimizeEmptyRequests: true,
  // Node's own refusal has no code; `headProblem` looks at it.
  requireHostHeader: false,
}

const lastOnConnection = { connection: 'close' }

/** Writes a refusal where no response object is: a parser's error, a CONNECT or an upgrade. The connection ends. */
export const refuseSocket = (socket: Duplex, problem: Problem): void => {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const text = problemText(problem)
  const { status } = JSON.parse(text) as { readonly status: number }
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\ncontent-type: application/problem+json\r\n` +
      `x-should-retry: false\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}

const floodProblem: Problem = {
  code: 'too-large',
  status: 431,
  message: `a head may have ${mostHeaderBytes} bytes and ${mostHeaders} headers`,
}

/** Node's parser refuses bad framing (two lengths, length and chunks, controls, folds); the agent learns only that. */
const problemOfError = (error: NodeJS.ErrnoException): Problem => {
  if (error.code === 'HPE_HEADER_OVERFLOW') return floodProblem
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return { code: 'timed-out', status: 408, message: 'the request did not come to its end in time' }
  return { code: 'invalid', status: 400, message: 'this is no well-formed HTTP request' }
}

/** What is wrong with a head that the parser let pass. */
export const headProblem = ({
  httpVersionMajor,
  httpVersionMinor,
  rawHeaders,
}: IncomingMessage): Problem | undefined => {
  if (rawHeaders.length > 2 * mostHeaders) return floodProblem
  // Of 0.9 there is no head, and to 1.0 an answer of unknown length is over when the connection is: a part of one that
  // was cut would be taken for the whole.
  if (httpVersionMajor !== 1 || httpVersionMinor !== 1)
    return { code: 'invalid', status: 505, message: 'the gate speaks HTTP/1.1' }
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
  if (hosts === 1) return undefined
  return { code: 'invalid', status: 400, message: 'a request has one Host header' }
}

const refuseExpectation = (_request: IncomingMessage, response: ServerResponse): void => {
  const problem: Problem = { code: 'invalid', status: 417, message: 'the gate meets no such expectation' }
  answerProblem(response, problem, lastOnConnection)
}

/** Wires the refusals of a server of the gate. */
export const refuseBadFraming = (server: Server): void => {
  server.maxHeadersCount = 0
  server.on('clientError', (error, socket) => refuseSocket(socket, problemOfError(error)))
  server.on('checkExpectation', refuseExpectation)
}
