/** A small real HTTP server that answers canned documents and remembers what it was asked. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { problem } from './documents.ts'

export const token = 'the-operators-token'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}
/** Gives a JSON document, a problem (by its status), or answers by itself. */
export type Answer = (asked: Asked, response: ServerResponse) => unknown

export interface Canned {
  readonly url: string
  readonly asked: Asked[]
  readonly close: () => Promise<void>
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** Routes are `GET /path`; a function answers, everything else is the document. */
export const canned = async (routes: Readonly<Record<string, unknown>>): Promise<Canned> => {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url!, 'http://canned')
      const one: Asked = {
        method: request.method!,
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: await bodyOf(request),
      }
      asked.push(one)
      const send = (document: unknown): void => {
        const status =
          (document as { status?: unknown; code?: unknown }).code !== undefined
            ? (document as { status: number }).status
            : 200
        response.writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'application/problem+json' })
        response.end(JSON.stringify(document))
      }
      if (one.headers.authorization !== `Bearer ${token}`)
        return send(problem(401, 'unauthorized', 'a token is needed'))
      const route = routes[`${one.method} ${one.path}`]
      if (route === undefined) return send(problem(404, 'not-found', `there is no ${one.path}`))
      const document: unknown = typeof route === 'function' ? (route as Answer)(one, response) : route
      if (document !== undefined) send(document)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
