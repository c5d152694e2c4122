/** A real HTTP server that keeps its own log of what reached it, with the monotonic time of arrival. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders: readonly string[]
  readonly body: string
  readonly atMs: number
}
export interface TestUpstream {
  readonly port: number
  readonly host: string
  readonly seen: readonly Seen[]
  /** Answers from now on; default 201 with a small JSON body. */
  answer(handler: (seen: Seen, response: ServerResponse, request: IncomingMessage) => void): void
  /** Resolves when `count` requests were seen. */
  reached(count: number): Promise<void>
  close(): Promise<void>
}

export const openUpstream = async (port = 0, address = '127.0.0.1'): Promise<TestUpstream> => {
  const seen: Seen[] = []
  let waiters: { count: number; resolve: () => void }[] = []
  let handle = (_seen: Seen, response: ServerResponse, _request: IncomingMessage): void => {
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end('{"ok":true}')
  }
  const server = createServer((request, response) => {
    const atMs = performance.now()
    const chunks: Buffer[] = []
    request.on('error', () => {
      /* a cut body is what some tests send */
    })
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const one: Seen = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: Buffer.concat(chunks).toString(),
        atMs,
      }
      seen.push(one)
      handle(one, response, request)
      for (const waiter of waiters) if (seen.length >= waiter.count) waiter.resolve()
      waiters = waiters.filter((waiter) => seen.length < waiter.count)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(port, address, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    port: bound,
    host: `${address}:${bound}`,
    seen,
    answer: (handler) => {
      handle = handler
    },
    reached: (count) =>
      seen.length >= count
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.push({ count, resolve })
          }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
