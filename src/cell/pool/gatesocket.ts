/**
 * The agents' WebSockets: through the cell's gate socket, like their requests. `ws` is loaded with the first of them. A
 * socket reads only so far ahead of its agent; then it is not read from, and the gate, and the upstream, wait.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { RawData, WebSocket } from 'ws'
import { TaskFailure, type OpenSocket, type SocketEnd, type UpstreamSocket } from '../../agent/agent.ts'
import { answerOf, gateWithinMs, isAway, lifeOf, lookAgainMs, putOff } from './gatefetch.ts'

/** The gate's bound. */
const mostMessageBytes = 1_048_576
/** What is read ahead of the agent; one message more is taken. */
const aheadBytes = 262_144
const aheadMessages = 64
/** The standard's code for an end without a word. */
const abnormal = 1006
/** Ends in order: a normal closure, and one that says nothing. */
const inOrder: ReadonlySet<number> = new Set([1000, 1005])
/** Who was told that the socket closes has this long to say so as well. */
const closeWithinMs = 2_000

/** What the gate says when it closes a socket: its own code for it. */
const gateCodes: ReadonlySet<string> = new Set(['frozen', 'mode-forbids', 'not-allowed', 'limited', 'budget-spent'])

const failureOf = ({ code, reason }: SocketEnd): TaskFailure => {
  const said = reason === '' ? '' : `: ${reason}`
  const message = `the socket was closed with ${code}${said}`
  if (code === 1008 && gateCodes.has(reason)) {
    // As the answer to a request would be judged: no other time helps where the route is gone.
    const how = reason === 'not-allowed' ? { status: 403 } : { kind: 'transient' }
    return new TaskFailure(message, { code: reason, ...how })
  }
  const isLost = code === abnormal || code === 1001 || code === 1011 || code === 1012
  return new TaskFailure(message, { kind: 'transient', code: isLost ? 'gate-lost' : 'socket-closed' })
}

const messageOf = (data: RawData, isBinary: boolean): string | Uint8Array => {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
  return isBinary ? bytes : bytes.toString('utf8')
}
const sizeOf = (message: string | Uint8Array): number => message.length

class Socket implements UpstreamSocket {
  readonly closed: Promise<SocketEnd>
  readonly #socket: WebSocket
  readonly #signal: AbortSignal
  #messages: (string | Uint8Array)[] = []
  #bytes = 0
  #end: SocketEnd | undefined
  /** The agent has closed it. */
  #isOurs = false
  #wake: (() => void) | undefined

  constructor(socket: WebSocket, signal: AbortSignal) {
    this.#socket = socket
    this.#signal = signal
    socket.on('message', (data, isBinary) => this.#take(messageOf(data, isBinary)))
    // What went wrong is said by its end.
    socket.on('error', () => {})
    const giveUp = (): void => socket.terminate()
    signal.addEventListener('abort', giveUp)
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        signal.removeEventListener('abort', giveUp)
        this.#end = { code, reason: reason.toString('utf8') }
        resolve(this.#end)
        this.#wake?.()
      })
    })
    if (signal.aborted) giveUp()
  }

  get protocol(): string {
    return this.#socket.protocol
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount
  }

  send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
    if (bytes > mostMessageBytes) {
      const message = `a message may have ${mostMessageBytes} bytes`
      return Promise.reject(new TaskFailure(message, { code: 'too-large', kind: 'permanent' }))
    }
    return new Promise((resolve, reject) => {
      const failed = (cause?: Error): void => {
        const failure = failureOf(this.#end ?? { code: abnormal, reason: 'it is closing' })
        reject(
          this.#signal.aborted
            ? this.#signal.reason
            : cause === undefined
              ? failure
              : Object.assign(failure, { cause }),
        )
      }
      if (this.#socket.readyState !== this.#socket.OPEN) return failed()
      this.#socket.send(data, { binary: typeof data !== 'string' }, (error) => (error ? failed(error) : resolve()))
    })
  }

  close(code = 1000, reason = ''): void {
    this.#isOurs = true
    // What nobody will read must not keep the other side's farewell from being heard.
    this.#messages = []
    this.#bytes = 0
    this.#socket.close(code, reason)
    this.#socket.resume()
    const late = setTimeout(() => this.#socket.terminate(), closeWithinMs)
    void this.closed.then(() => clearTimeout(late))
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string | Uint8Array> {
    for (;;) {
      while (this.#messages.length > 0) yield this.#next()
      if (this.#signal.aborted) throw this.#signal.reason
      if (this.#isOurs) return
      if (this.#end !== undefined) {
        if (inOrder.has(this.#end.code)) return
        throw failureOf(this.#end)
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #take(message: string | Uint8Array): void {
    if (this.#isOurs) return
    this.#messages.push(message)
    this.#bytes += sizeOf(message)
    if (this.#bytes > aheadBytes || this.#messages.length > aheadMessages) this.#socket.pause()
    this.#wake?.()
  }

  #next(): string | Uint8Array {
    const message = this.#messages.shift()!
    this.#bytes -= sizeOf(message)
    if (this.#bytes <= aheadBytes / 2 && this.#messages.length <= aheadMessages / 2) this.#socket.resume()
    return message
  }
}

/** What was answered instead of a socket. */
const refusalOf = async (message: IncomingMessage): Promise<TaskFailure> => {
  const answer = answerOf(message)
  const put = await putOff(answer)
  if (put !== undefined) return put
  const text = (await answer.text()).slice(0, 4_096)
  const code = answer.headers['x-sitter-code']
  const said = code === undefined ? undefined : (JSON.parse(text) as { readonly detail: string }).detail
  const { status } = answer
  const words = said ?? `the upstream opened no socket, and answered ${status}: ${text.slice(0, 500)}`
  return new TaskFailure(words, { status, ...(code !== undefined && { code }) })
}

/** The URL of it; what would be asked for otherwise than it is written is refused. */
const urlOf = (path: string): URL => {
  if (!path.startsWith('/')) throw new TypeError("path must begin with /: ctx.socket('/northbank/v1/stream')")
  const url = new URL(`ws://gate${path}`)
  if (url.pathname + url.search !== path) throw new TypeError('this path and query can be written in more than one way')
  return url
}

const headersOf = ({ init: { headers = {} }, ...who }: Parameters<OpenSocket>[0]): Record<string, string> => ({
  host: 'gate',
  ...headers,
  ...lifeOf(who),
})

/** Opens one at a time; resolves when it is open. */
export const gateSocket =
  (socketPath: string): OpenSocket =>
  async (ask) => {
    const { path, init, signal } = ask
    const url = urlOf(path)
    const [{ WebSocket: Client }, { connect }] = await Promise.all([import('ws'), import('node:net')])
    const open = (untilMs: number): Promise<UpstreamSocket> =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error)
        const socket = new Client(url, [...(init.protocols ?? [])], {
          createConnection: () => connect(socketPath),
          headers: headersOf(ask),
          perMessageDeflate: false,
          followRedirects: false,
          maxPayload: mostMessageBytes,
        })
        const giveUp = (): void => socket.terminate()
        const over = (): void => signal.removeEventListener('abort', giveUp)
        signal.addEventListener('abort', giveUp)
        socket.once('open', () => {
          over()
          resolve(new Socket(socket, signal))
        })
        socket.once('unexpected-response', (_request: ClientRequest, message: IncomingMessage) => {
          refusalOf(message).then(
            (failure) => {
              over()
              reject(failure)
              socket.terminate()
            },
            (error: unknown) => reject(error as Error),
          )
        })
        socket.on('error', (error: NodeJS.ErrnoException) => {
          over()
          if (signal.aborted) return reject(signal.reason as Error)
          const leftMs = untilMs - performance.now()
          if (isAway(error) && leftMs > 0)
            return void setTimeout(() => resolve(open(untilMs)), lookAgainMs(gateWithinMs - leftMs))
          const message = `the gate opened no socket: ${error.message}`
          reject(new TaskFailure(message, { code: 'gate-lost', kind: 'transient', cause: error }))
        })
      })
    return open(performance.now() + gateWithinMs)
  }
