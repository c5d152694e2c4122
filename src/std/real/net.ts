/** The machine's Unix sockets. */
import { chmod, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import type { Link, Net } from '../net.ts'

/** A side that takes nothing any more (a stopped process) may hold its last bytes this long after `close`. */
const lingerMs = 5_000

const asLink = (socket: Socket): Link => {
  let closed = false
  let cause: Error | undefined
  socket.on('error', (error) => {
    cause = error
  })
  socket.once('close', () => {
    closed = true
  })
  return {
    write: (text) => (closed || socket.destroyed ? false : socket.write(text)),
    close: () => {
      socket.destroySoon()
      if (!socket.destroyed) {
        const linger = setTimeout(() => socket.destroy(), lingerMs)
        socket.once('close', () => clearTimeout(linger))
      }
    },
    get pendingBytes() {
      return socket.writableLength
    },
    onData: (listener) => {
      socket.on('data', listener)
    },
    onDrain: (listener) => {
      socket.on('drain', listener)
    },
    onClose: (listener) => {
      if (closed) queueMicrotask(() => listener(cause))
      else socket.once('close', () => listener(cause))
    },
  }
}

export const realNet = (): Net => ({
  connect: (socketPath) =>
    new Promise((resolve, reject) => {
      const socket = connect(socketPath)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(asLink(socket))
      })
    }),
  listen: async (socketPath, accept) => {
    await rm(socketPath, { force: true })
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      accept(asLink(socket))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socketPath, () => {
        server.off('error', reject)
        resolve()
      })
    })
    await chmod(socketPath, 0o600)
    return {
      close: () =>
        new Promise<void>((resolve) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resolve())
        }),
    }
  },
})
