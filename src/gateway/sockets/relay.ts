/**
 * Two WebSockets as one. Each message is read whole, within its bound, and goes on when the one before it has left: so
 * each side has at most one message and what was read with it in memory, and whoever reads slowly slows the other down.
 *
 *   relaying ── a side closes, or is refused ──▶ what it said goes on ──▶ the other is closed likewise ──▶ over
 *      └──────── a side is silent, does not read, or is cut ──▶ both are cut ──▶ over
 */
import type { RawData, WebSocket } from 'ws'
import type { Cancel, Clock } from '../../std/std.ts'
import type { Refusal } from '../call.ts'

/** A side of which nothing was heard between two of these is gone: no message, no answer to a ping. */
const pingMs = 30_000

export interface RelayOptions {
  /** Both are paused until here, so that nothing is said to nobody. */
  readonly agent: WebSocket
  readonly upstream: WebSocket
  readonly clock: Clock
  /** The longest that a side may take to take a message. */
  readonly sendMs: number
  /** What comes from the upstream, without secrets. */
  readonly clean: (bytes: Buffer) => Buffer
  /** Whether the agent's next message may go; may wait. */
  readonly admit: () => Refusal | undefined | Promise<Refusal | undefined>
  /** Whether it may still be open at all; asked at each ping. */
  readonly mayStay: () => Refusal | undefined
}

export interface Relay {
  /** Resolves when both sides are closed. */
  readonly over: Promise<void>
  /** Closes both: 1001 when the gate ends, 1008 when it is not allowed any more. */
  close(code: number, reason: string): void
  /** Both at once, without a word. */
  cut(): void
}

interface Message {
  readonly bytes: Buffer
  readonly isBinary: boolean
}

const bytesOf = (data: RawData): Buffer =>
  Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)

/** Codes that may be said; the others only tell that nothing was said, or how a connection was lost. */
const isSayable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)

/** Bytes of a reason for closing (RFC 6455). */
const mostReasonBytes = 123

/** What a side is told when the other broke the rules of messages, text or frames; undefined = it was cut. */
const faultOf = ({ code = '' }: NodeJS.ErrnoException): number | undefined => {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return 1009
  if (code === 'WS_ERR_INVALID_UTF8') return 1007
  return code.startsWith('WS_ERR_') ? 1002 : undefined
}

interface WayOptions {
  readonly from: WebSocket
  readonly to: WebSocket
  /** False = nothing more goes this way. */
  readonly pass: (message: Message) => Promise<boolean>
  readonly clean: (bytes: Buffer) => Buffer
}

class Way {
  readonly #options: WayOptions
  #queue: Message[] = []
  #busy = false
  #last: { readonly code: number; readonly reason: Buffer } | undefined

  #fault: number | undefined

  constructor(options: WayOptions) {
    this.#options = options
    const { from } = options
    from.on('error', (error) => {
      this.#fault ??= faultOf(error)
    })
    from.on('message', (data, isBinary) => {
      this.#queue.push({ bytes: bytesOf(data), isBinary })
      if (!this.#busy) void this.#run()
    })
    from.on('close', (code, reason) => {
      this.#last = { code, reason }
      if (!this.#busy) this.#end()
    })
    from.resume()
  }

  async #run(): Promise<void> {
    this.#busy = true
    const { from, pass } = this.#options
    from.pause()
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (await pass(next)) continue
      this.#queue = []
      break
    }
    this.#busy = false
    if (this.#last === undefined) from.resume()
    else this.#end()
  }

  #end(): void {
    const { to, clean } = this.#options
    const { code, reason } = this.#last!
    if (this.#fault !== undefined) to.close(this.#fault)
    else if (isSayable(code)) to.close(code, clean(reason).subarray(0, mostReasonBytes))
    else if (code === 1005) to.close()
    else to.terminate()
  }
}

export const openRelay = ({ agent, upstream, clock, sendMs, clean, admit, mayStay }: RelayOptions): Relay => {
  const sides = [agent, upstream] as const
  const heard = new Set<WebSocket>(sides)
  const { promise: over, resolve } = Promise.withResolvers<void>()
  let closed = 0

  const close = (code: number, reason: string): void => {
    for (const side of sides) side.close(code, reason)
  }
  const cut = (): void => {
    for (const side of sides) side.terminate()
  }
  const send = (to: WebSocket, { bytes, isBinary }: Message): Promise<boolean> =>
    new Promise((sent) => {
      const cancel = clock.timer(sendMs, cut)
      to.send(bytes, { binary: isBinary }, (error) => {
        cancel()
        sent(!error)
      })
    })
  new Way({
    from: upstream,
    to: agent,
    pass: ({ bytes, isBinary }) => send(agent, { bytes: clean(bytes), isBinary }),
    clean,
  })
  new Way({
    from: agent,
    to: upstream,
    pass: async (message) => {
      const refusal = await admit()
      if (refusal === undefined) return send(upstream, message)
      close(1008, refusal.code)
      return false
    },
    clean: (reason) => reason,
  })
  let cancelPing: Cancel
  const ping = (): void => {
    const refusal = mayStay()
    if (refusal !== undefined) close(1008, refusal.code)
    for (const side of sides) {
      if (side.readyState !== side.OPEN) continue
      // Who waits for a slow reader is paused, and hears no answer.
      if (!heard.delete(side) && !side.isPaused) return cut()
      side.ping()
    }
    cancelPing = clock.timer(pingMs, ping)
  }
  cancelPing = clock.timer(pingMs, ping)
  for (const side of sides) {
    for (const event of ['message', 'pong', 'ping'] as const) side.on(event, () => heard.add(side))
    side.on('close', () => {
      closed += 1
      if (closed < 2) return
      cancelPing()
      resolve()
    })
  }
  return { over, close, cut }
}
