/**
 * The agents' way out: HTTP over the cell's gate socket. node:http is loaded at the first call, for agents that only
 * settle never need it; and not by an import, which would load all that it exports, undici with its WebSocket too.
 */
import type { ClientRequest, IncomingMessage, Agent as HttpAgent, request as HttpRequest } from 'node:http'
import { connect } from 'node:net'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { TaskFailure, type FetchInit, type UpstreamAnswer, type UpstreamFetch } from '../../agent/agent.ts'

const mostBodyBytes = 32 * 1_048_576
/**
 * Connections that a cell has to its gate; more calls wait here, where nobody knows which of them is urgent. More than
 * one for each agent of a full cell, and a quarter of what the gate takes.
 */
const mostConnections = 256
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY'])

interface Http {
  readonly request: typeof HttpRequest
  readonly agent: HttpAgent
}

const loadHttp = (): Http => {
  const { request, Agent } = process.getBuiltinModule('node:http')
  return { request, agent: new Agent({ keepAlive: true, maxSockets: mostConnections, maxFreeSockets: 8 }) }
}

const bodyOf = (
  init: FetchInit,
): { readonly body: string | Uint8Array | undefined; readonly headers: Readonly<Record<string, string>> } => {
  const { body, headers = {} } = init
  if (body === undefined || body === null) return { body: undefined, headers }
  if (typeof body === 'string' || body instanceof Uint8Array) return { body, headers }
  return { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }
}

/**
 * An answer is read ahead of its agent, so far: one of which only the status is looked at must not keep its connection,
 * of which there are few. What is longer is read as fast as the agent does.
 */
const aheadBytes = 64 * 1024

const bodyFrom = (message: IncomingMessage): Readable => {
  const body = new PassThrough({ highWaterMark: aheadBytes })
  // Whoever reads it is told; of an error in what nobody reads nobody needs to hear.
  pipeline(message, body, () => {})
  return body
}

export const answerOf = (message: IncomingMessage): UpstreamAnswer => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers)) {
    if (name !== '__proto__' && value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  const status = message.statusCode ?? 0
  const body = bodyFrom(message)
  const text = async (): Promise<string> => {
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const part of body as AsyncIterable<Uint8Array>) {
      bytes += part.length
      if (bytes > mostBodyBytes)
        throw new TaskFailure(`the answer has more than ${mostBodyBytes} bytes`, {
          code: 'too-large',
          kind: 'permanent',
        })
      parts.push(part)
    }
    return Buffer.concat(parts).toString('utf8')
  }
  return {
    status,
    ok: status >= 200 && status < 300,
    headers,
    body,
    text,
    json: async () => JSON.parse(await text()) as unknown,
  }
}

/** Longest document of a refusal that is read. */
const mostRefusalBytes = 65_536

interface Refused {
  readonly detail: string
  readonly retryAfterMs: number
  readonly waitsFor?: string
}

/**
 * The gate says that the time for this call has not come: thrown, so that the attempt ends and its task waits without
 * a process, unless the agent has something better to do and catches it. Undefined for every other answer.
 */
export const putOff = async (answer: UpstreamAnswer): Promise<TaskFailure | undefined> => {
  const code = answer.headers['x-sitter-code']
  if (code === undefined || answer.headers['retry-after'] === undefined) return undefined
  let text = ''
  for await (const part of answer.body) if (text.length < mostRefusalBytes) text += Buffer.from(part).toString('utf8')
  const { detail, retryAfterMs, waitsFor } = JSON.parse(text) as Refused
  const { status } = answer
  return new TaskFailure(detail, { code, kind: 'transient', status, retryAfterMs, ...(waitsFor && { waitsFor }) })
}

/**
 * Before the request has left, a failure is the gate's absence; after it, only a safe method may be tried again
 * blindly.
 */
const asFailure = (error: NodeJS.ErrnoException, sent: boolean, method: string): Error => {
  if (error.name === 'AbortError') return error
  const message = `the gate did not answer: ${error.message}`
  if (!sent || error.syscall === 'connect' || safeMethods.has(method))
    return new TaskFailure(message, { code: 'gate-lost', kind: 'transient', cause: error })
  return new TaskFailure(message, { code: 'outcome-unknown', kind: 'unknown', cause: error })
}

/**
 * How long a gate that does not listen is waited for, where nothing has left yet. It makes a cell's socket when it has
 * heard of the cell, and a host that stood by has agents a few ms after that was told; one that was killed is back
 * within a second, or within some where the machine is busy.
 */
export const gateWithinMs = 5_000
/** It has no socket, nobody listens there, it has not yet taken in whom it could hear, or died before it did. */
const awayCodes: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ECONNREFUSED', 'EAGAIN', 'ECONNRESET'])
export const isAway = ({ code, syscall }: NodeJS.ErrnoException): boolean =>
  syscall === 'connect' && awayCodes.has(code)

/** At first soon, then as often as costs nothing. */
export const lookAgainMs = (awayMs: number): number => Math.min(50, 10 + awayMs / 10)

const listens = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

interface Waiting {
  readonly untilMs: number
  readonly go: () => void
}

/**
 * One looks for all calls that wait, of which a cell may have hundreds. Resolves when the gate listens, when the time
 * is over, or when the call is given up.
 */
const lookout = (socketPath: string): ((untilMs: number, signal: AbortSignal) => Promise<void>) => {
  const waiting = new Set<Waiting>()
  let looks = false
  const look = async (): Promise<void> => {
    looks = true
    for (const sinceMs = performance.now(); waiting.size > 0;) {
      await new Promise((resolve) => {
        setTimeout(resolve, lookAgainMs(performance.now() - sinceMs))
      })
      const isThere = await listens(socketPath)
      for (const one of waiting) if (isThere || performance.now() >= one.untilMs) one.go()
    }
    looks = false
  }
  return (untilMs, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const go = (): void => {
        waiting.delete(one)
        signal.removeEventListener('abort', go)
        resolve()
      }
      const one: Waiting = { untilMs, go }
      waiting.add(one)
      signal.addEventListener('abort', go)
      if (!looks) void look()
    })
}

type Life = Pick<Parameters<UpstreamFetch>[0], 'agent' | 'epoch' | 'attempt'>

/** Who asks, and for which of its lives: what is over is refused. */
export const lifeOf = ({ agent, epoch, attempt }: Life): Record<string, string> => ({
  'x-sitter-agent': agent,
  'x-sitter-epoch': String(epoch),
  ...(attempt !== null && { 'x-sitter-attempt': attempt }),
})

interface Tries {
  /** Until when a gate that does not listen is waited for. */
  readonly untilMs: number
  /** It was under way when its gate went away, and is asked once more. */
  readonly wasCut: boolean
}

/** What is sent again: what never left, and once what was cut and only reads. Undefined = nothing. */
const nextTry = (tries: Tries, error: Error, sent: boolean, method: string): 'as before' | 'cut' | undefined => {
  if (error.name === 'AbortError') return undefined
  if (isAway(error)) return performance.now() < tries.untilMs ? 'as before' : undefined
  return sent && safeMethods.has(method) && !tries.wasCut ? 'cut' : undefined
}

/** One request at a time through `request`; resolves with the head of the answer, its body streams. */
export const gateFetch = (socketPath: string, withinMs = gateWithinMs): UpstreamFetch => {
  let http: Http | undefined
  const untilThere = lookout(socketPath)
  const tryFor = (wasCut: boolean): Tries => ({ untilMs: performance.now() + withinMs, wasCut })
  return async ({ agent: name, epoch, attempt, upstream, path, init, signal }) => {
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(upstream))
      throw new TypeError(
        `upstream ${JSON.stringify(upstream)} is not the name of an upstream: ctx.fetch('northbank', '/v1/…')`,
      )
    if (!path.startsWith('/')) throw new TypeError('path must begin with /')
    const { request, agent } = (http ??= loadHttp())
    const { body, headers } = bodyOf(init)
    const who = lifeOf({ agent: name, epoch, attempt })
    const method = (init.method ?? 'GET').toUpperCase()
    const options = {
      socketPath,
      agent,
      method,
      path: `/${upstream}${path}`,
      signal,
      headers: { host: upstream, ...headers, ...who },
    }
    const send = (tries: Tries): Promise<UpstreamAnswer> =>
      new Promise((resolve, reject) => {
        let [sent, answered] = [false, false]
        const call: ClientRequest = request(options)
        call.once('socket', (socket) => {
          if (socket.connecting)
            socket.once('connect', () => {
              sent = true
            })
          else sent = true
        })
        call.on('error', (error) => {
          // Of a body that breaks off its reader is told.
          if (answered) return
          const next = nextTry(tries, error, sent, method)
          if (next === undefined) reject(asFailure(error, sent, method))
          else resolve(again(next === 'cut' ? tryFor(true) : tries))
        })
        call.once('response', (message) => {
          answered = true
          resolve(answerOf(message))
        })
        call.end(body)
      })
    const again = async (tries: Tries): Promise<UpstreamAnswer> => {
      await untilThere(tries.untilMs, signal)
      return send(tries)
    }
    const answer = await send(tryFor(false))
    const refused = await putOff(answer)
    if (refused !== undefined) throw refused
    return answer
  }
}
