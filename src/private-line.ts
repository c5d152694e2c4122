/**
 * A program's end of its private line to the watch: descriptor 3, when there is one. Without a watch it says nothing
 * and never closes.
 */
import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { Failure, type Clock, type Service } from './std/std.ts'

/** A program that the watch starts again: how it ended, and its deaths in a row. */
export interface Ended {
  readonly program: string
  readonly by: string
  readonly againInMs: number
  readonly deaths: number
}

export interface PrivateLine extends Service {
  ready(facts: Readonly<Record<string, unknown>>): void
  /** It works: what it wrote it could read. */
  progress(): void
  /** It makes no progress, for a reason that starting again would not mend. */
  idle(why: string): void
  /** It makes no progress from now on, for it ends in order. */
  ending(): void
  /** Starting again cannot help: says why. Resolves when it was written. */
  failed(error: unknown): Promise<void>
  /** Asks the watch to read the configuration's file again. */
  reload(): void
  /** Asks the watch to end everything in order, within this time. */
  down(withinMs: number): void
}

/** What the watch leaves for the sitter when the configuration's file was to be read again: a value, or why not. */
export interface Reload {
  readonly file: string
  readonly candidate?: { readonly file: string; readonly baseDirectory: string; readonly raw: unknown }
  readonly refused?: { readonly code: string; readonly message: string }
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

export interface PrivateLineEvents {
  /** The watch is gone. */
  closed(): void
  /** The watch wants this program to end in order within this time. */
  stop(withinMs: number): void
  /** The watch has read the configuration's file again; what it found lies in `run/reload.json`. */
  reloaded?(): void
  /** Another program of the watch ended without order, and is started again. */
  ended?(what: Ended): void
  /** The watch ends it in a moment, for it makes no progress: what it waits for is worth a line in the log. */
  account?(): void
}

/** Whole lines of the watch's side; it says few and short ones, so the rest of a line never grows. */
const hear = (socket: Socket, events: PrivateLineEvents): void => {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!.slice(-1_000)
    for (const line of lines) {
      const asked = /^stop (\d{1,9})$/.exec(line)
      if (asked) events.stop(Number(asked[1]))
      else if (line === 'reloaded') events.reloaded?.()
      else if (line === 'account') events.account?.()
      else if (line.startsWith('ended ')) events.ended?.(JSON.parse(line.slice(6)) as Ended)
    }
  })
}

export const openPrivateLine = (clock: Clock, events: PrivateLineEvents): PrivateLine => {
  const socket = openSocket()
  const onClosed = events.closed
  socket?.on('error', () => {
    /* the close that follows says it */
  })
  socket?.once('close', onClosed)
  socket?.once('end', onClosed)
  if (socket) hear(socket, events)
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
    progress: () => {
      void say('progress')
    },
    idle: (why) => {
      void say(`idle ${why.replaceAll('\n', ' ')}`)
    },
    ending: () => {
      void say('ending')
    },
    failed: (error) =>
      say(
        `failed ${JSON.stringify({
          code: error instanceof Failure ? error.code : 'bug',
          message: error instanceof Error ? error.message : String(error),
          wayOut: error instanceof Failure ? error.facts['wayOut'] : undefined,
        })}`,
      ),
    reload: () => {
      void say('reload')
    },
    down: (withinMs) => {
      void say(`down ${withinMs}`)
    },
    stop: () => {
      cancel()
      socket?.removeListener('close', onClosed)
      socket?.removeListener('end', onClosed)
      socket?.destroy()
    },
  }
}
