/**
 * The upstream's end of a WebSocket: connected to an address that was checked, with the credential in its handshake.
 * No redirect is followed, nothing is compressed, and until the connection stands nothing was sent.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { WebSocket, type ClientOptions } from 'ws'
import { asFailure } from '../../std/std.ts'
import type { CallInHand } from '../call.ts'
import type { Ended } from '../exchange.ts'
import { outgoing, withoutHandshake, type HeaderPairs } from '../headers.ts'

/** Of a message, in both directions. */
export const mostMessageBytes = 1_048_576

export type Dialed =
  | { readonly kind: 'open'; readonly socket: WebSocket; readonly headers: HeaderPairs }
  /** It answered as to any request: no WebSocket. The body is still to be read. */
  | { readonly kind: 'refused'; readonly answer: IncomingMessage; readonly headers: HeaderPairs }
  | Exclude<Ended, { readonly kind: 'answered' }>

export interface Dialing {
  readonly done: Promise<Dialed>
  /** The agent went away. */
  abort(): void
}

const pairsOf = (raw: readonly string[]): HeaderPairs => {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index]!.toLowerCase(), raw[index + 1]!])
  return pairs
}

const headersOut = (call: CallInHand): Record<string, string[]> => {
  const signed = call.signed?.headers ?? []
  const names = new Set(signed.map(([name]) => name.toLowerCase()))
  const own = withoutHandshake(outgoing(call.headers)).filter(([name]) => !names.has(name.toLowerCase()))
  const headers = Object.create(null) as Record<string, string[]>
  for (const [name, value] of [...own, ...signed]) (headers[name.toLowerCase()] ??= []).push(value)
  return headers
}

/** The certificate that says who calls, where the upstream asks for one. */
const ownOf = ({ signed }: CallInHand): { readonly cert?: string; readonly key?: string } =>
  signed?.identity === undefined ? {} : { cert: signed.identity.certificate, key: signed.identity.key }

/** `started` is called when the connection stands, before the first byte of the handshake. */
export const dial = (call: CallInHand, protocols: readonly string[], started: () => void): Dialing => {
  const { outbound, rule, host } = call.upstream!
  const { guard } = outbound
  const { path } = call.plain!
  const query = call.signed?.query ?? call.plain!.query
  const url = new URL(`${guard.url.origin.replace(/^http/, 'ws')}${path}${query}`)
  const late: { socket?: WebSocket; sent: boolean } = { sent: false }
  const failed = (code: string, message: string): Dialed => ({ kind: late.sent ? 'lost' : 'not-sent', code, message })
  const { promise, resolve } = Promise.withResolvers<Dialed>()
  const watch = (request: ClientRequest): void => {
    request.on('socket', (socket) => {
      const begin = (): void => {
        late.sent = true
        started()
      }
      // Without TLS it may be written to as soon as it is connected, with TLS when both have agreed.
      socket.once(guard.url.protocol === 'https:' ? 'secureConnect' : 'connect', begin)
    })
    request.end()
  }
  if (guard.forbidden) resolve(failed('EADDRFORBIDDEN', `${host} is a private address and is not granted`))
  // What was checked is what is sent: no reader of URLs may make another path or query of it.
  else if (url.pathname + url.search !== path + query)
    resolve(failed('not-allowed', 'this path and query can be written in more than one way'))
  else
    try {
      const socket = new WebSocket(url, [...protocols], {
        headers: headersOut(call),
        lookup: guard.lookup,
        ...guard.trusted,
        ...ownOf(call),
        agent: false,
        followRedirects: false,
        perMessageDeflate: false,
        handshakeTimeout: rule.timeoutMs,
        maxPayload: mostMessageBytes,
        finishRequest: watch,
      } as unknown as ClientOptions)
      late.socket = socket
      let headers: HeaderPairs = []
      socket.on('upgrade', (answer) => {
        headers = pairsOf(answer.rawHeaders)
      })
      socket.on('open', () => {
        // It may speak at once, and is heard when somebody listens.
        socket.pause()
        resolve({ kind: 'open', socket, headers })
      })
      socket.on('unexpected-response', (_request, answer) => {
        resolve({ kind: 'refused', answer, headers: pairsOf(answer.rawHeaders) })
      })
      // After it is open the relay hears of it; this keeps it from being nobody's.
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(failed(error.code ?? 'failed', error.message)))
    } catch (error) {
      resolve(failed('failed', asFailure(error).message))
    }
  return { done: promise, abort: () => late.socket?.terminate() }
}
