/**
 * An upstream that says back whatever it was shown, in every form that it can think of, by WebSocket, too; that makes
 * keys and ends them; and that is a token server. All that it gives holds the canary too.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { WebSocketServer, type WebSocket } from 'ws'

export interface Echo {
  readonly host: string
  /** Calls by the upstream that their path names (`/v1/<upstream>/…`), `keys` and `token`. */
  readonly seen: ReadonlyMap<string, number>
  /** Credentials that it was shown, as the headers and queries that they came in. */
  readonly shown: readonly string[]
  /** What it gave for secrets. */
  readonly given: readonly string[]
  /** For another server, of another protocol. */
  answer(request: IncomingMessage, response: ServerResponse): void
  close(): void
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

const formsOf = (told: string): string => {
  const bare = told.slice(told.indexOf(' ') + 1)
  return [
    told,
    JSON.stringify({ told }),
    JSON.stringify({ said: JSON.stringify({ told }) }),
    String(new URLSearchParams({ told })),
    encodeURIComponent(told),
    encodeURIComponent(JSON.stringify({ told })),
    Buffer.from(bare).toString('base64'),
    Buffer.from(`user=me&token=${bare}`).toString('base64url'),
    Buffer.from(bare).toString('hex'),
    Buffer.from(bare, 'base64').toString(),
  ].join('\n')
}

const say = (request: IncomingMessage, response: ServerResponse, told: string): void => {
  const said = formsOf(told)
  const headers = { 'x-echo': encodeURI(told), 'www-authenticate': told }
  if (request.url!.includes('/stream')) {
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' })
    for (const line of said.split('\n')) response.write(`data: ${line}\n\n`)
    return void response.end()
  }
  const isPacked = request.url!.includes('/packed')
  response.writeHead(200, { ...headers, ...(isPacked && { 'content-encoding': 'gzip' }) })
  response.end(isPacked ? gzipSync(said) : said)
}

/** Once it hears something: text, bytes, a text in two frames, and a reason for closing. */
const sayByFrames = (socket: WebSocket, told: string): void => {
  socket.once('message', () => {
    for (const line of formsOf(told).split('\n')) socket.send(line)
    socket.send(Buffer.from(formsOf(told)), { binary: true })
    const middle = told.length - 9
    socket.send(told.slice(0, middle), { fin: false })
    socket.send(told.slice(middle), { fin: true })
    socket.close(4_000, `bye ${told.slice(0, 110)}`)
  })
}

export const openEcho = async (canary: string): Promise<Echo> => {
  const seen = new Map<string, number>()
  const shown: string[] = []
  const given: string[] = []
  const keys: { readonly id: string; readonly label: string }[] = []
  const give = (what: string): string => {
    given.push(`${canary}-${what}-${given.length}`)
    return given.at(-1)!
  }
  const json = (response: ServerResponse, value: object): void => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  const note = (request: IncomingMessage): { readonly name: string; readonly told: string } => {
    const [, first = '', second = ''] = request.url!.split(/[/?]/)
    const name = first === 'v1' ? second : first
    seen.set(name, (seen.get(name) ?? 0) + 1)
    const told = request.headers.authorization ?? String(request.headers['x-api-key'] ?? request.url)
    shown.push(told)
    return { name, told }
  }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request)
    const { name, told } = note(request)
    if (name === 'token' || name === 'own')
      return json(response, {
        access_token: give('access'),
        refresh_token: give('refresh'),
        token_type: 'Bearer',
        expires_in: 3_600,
      })
    if (name !== 'keys') return say(request, response, told)
    if (request.method === 'POST') {
      const { label } = JSON.parse(body) as { label: string }
      keys.push({ id: `k${keys.length + 1}`, label })
      return json(response, { secret: give('minted'), ...keys.at(-1)! })
    }
    json(response, request.url === '/keys/self' ? { id: 'k0' } : { items: keys })
  }
  const server = createServer((request, response) => void answer(request, response))
  const sockets = new WebSocketServer({ server, perMessageDeflate: true })
  sockets.on('connection', (socket, request) => sayByFrames(socket, note(request).told))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${port}`,
    seen,
    shown,
    given,
    answer: (request, response) => void answer(request, response),
    close: () => server.close(),
  }
}
