/** Listeners on several addresses of one port that count what reaches them, and a resolver that says what it is told. */
import { createServer, type Server, type Socket } from 'node:net'
import type { Resolve } from '../../src/gateway/outbound.ts'

export interface Listener {
  readonly address: string
  readonly port: number
  /** Connections so far; what S5 counts. */
  connections(): number
  /** All bytes that came, as latin1. */
  heard(): string
  close(): Promise<void>
}

const plainAnswer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

export type Answering = (socket: Socket, request: string) => void

const answerPlainly: Answering = (socket) => {
  socket.write(plainAnswer)
}

/** Answers each head that ends in a blank line; whoever wants more reads the bytes. */
export const listenAt = async (address: string, port = 0, answer: Answering = answerPlainly): Promise<Listener> => {
  let connections = 0
  let heard = ''
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    let pending = ''
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {
      /* whoever cuts it is what the test is about */
    })
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      heard += text
      pending += text
      for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
        const request = pending.slice(0, end + 4)
        pending = pending.slice(end + 4)
        answer(socket, request)
      }
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  const bound = server.address()
  return {
    address,
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    connections: () => connections,
    heard: () => heard,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** The same port on several addresses of this host. */
export const listenOn = async (addresses: readonly string[], answer?: Answering): Promise<readonly Listener[]> => {
  for (;;) {
    const [first, ...rest] = addresses
    const opened = [await listenAt(first!, 0, answer)]
    try {
      for (const address of rest) opened.push(await listenAt(address, opened[0]!.port, answer))
      return opened
    } catch (error) {
      await Promise.all(opened.map((one) => one.close()))
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

/** Each question gets the next answer; the last one for ever. Counts the questions. */
export const resolverOf = (...answers: readonly (readonly string[])[]): Resolve & { asked(): number } => {
  let asked = 0
  const resolve: Resolve = (_host, reply) => {
    const found = answers[Math.min(asked, answers.length - 1)]!
    asked += 1
    queueMicrotask(() =>
      reply(
        null,
        found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    )
  }
  return Object.assign(resolve, { asked: () => asked })
}
