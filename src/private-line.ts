/**
 * A program's end of its private line to the watch: descriptor 3, when there is one. Without a watch it says nothing
 * and never closes.
 */
import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { Failure, type Clock, type Service } from './std/std.ts'

export interface PrivateLine extends Service {
  ready(facts: Readonly<Record<string, unknown>>): void
  /** Starting again cannot help: says why. Resolves when it was written. */
  failed(error: unknown): Promise<void>
  /** Asks the watch to end everything in order. */
  down(): void
}

const beatMs = 1_000

const openSocket = (): Socket | undefined => {
  try {
    const { isSocket, isFIFO } = { isSocket: fstatSync(3).isSocket(), isFIFO: fstatSync(3).isFIFO() }
    return isSocket || isFIFO ? new Socket({ fd: 3, readable: true, writable: true }) : undefined
  } catch {
    // No descriptor 3: started by hand.
    return undefined
  }
}

export const openPrivateLine = (clock: Clock, onClosed: () => void): PrivateLine => {
  const socket = openSocket()
  socket?.on('error', () => {
    /* the close that follows says it */
  })
  socket?.once('close', onClosed)
  socket?.once('end', onClosed)
  socket?.resume()
  const say = (line: string): Promise<void> =>
    new Promise((resolve) => {
      if (socket?.writable) socket.write(`${line}\n`, () => resolve())
      else resolve()
    })
  let cancel = clock.timer(beatMs, function beat() {
    void say('beat')
    cancel = clock.timer(beatMs, beat)
  })
  return {
    ready: (facts) => {
      void say(`ready ${JSON.stringify(facts)}`)
    },
    failed: (error) =>
      say(
        `failed ${JSON.stringify({
          code: error instanceof Failure ? error.code : 'bug',
          message: error instanceof Error ? error.message : String(error),
        })}`,
      ),
    down: () => {
      void say('down')
    },
    stop: () => {
      cancel()
      socket?.removeListener('close', onClosed)
      socket?.removeListener('end', onClosed)
      socket?.destroy()
    },
  }
}
