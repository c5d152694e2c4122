/**
 * As much load as one process can make: sockets that say one prepared request, read one answer of a known length, and
 * say it again. No HTTP library is that fast, and it would be measured instead.
 */
import { connect, type Socket } from 'node:net'
import { percentile } from '../figures.ts'

export type At = { readonly path: string } | { readonly host: string; readonly port: number }

export interface Load {
  readonly at: At
  readonly request: string
  /** Of an answer's body. */
  readonly bodyBytes: number
  readonly connections: number
  readonly warmMs: number
  readonly measureMs: number
}

export interface Loaded {
  readonly perSecond: number
  /** Requests, those of the warming up too. */
  readonly all: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const headEnd = Buffer.from('\r\n\r\n')
const good = Buffer.from('HTTP/1.1 200')

class Caller {
  readonly #socket: Socket
  readonly #request: Buffer
  readonly #bodyBytes: number
  #had: Buffer = Buffer.alloc(0)
  #done: (() => void) | undefined
  #failed: ((error: Error) => void) | undefined

  constructor(at: At, request: Buffer, bodyBytes: number) {
    this.#request = request
    this.#bodyBytes = bodyBytes
    this.#socket = connect(at as never)
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk: Buffer) => this.#hear(chunk))
    this.#socket.on('error', (error) => this.#failed?.(error))
    this.#socket.on('close', () => this.#failed?.(new Error('the connection was closed')))
  }

  once(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#done = resolve
      this.#failed = reject
      this.#socket.write(this.#request)
    })
  }

  end(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #hear(chunk: Buffer): void {
    this.#had = this.#had.length === 0 ? chunk : Buffer.concat([this.#had, chunk])
    const end = this.#had.indexOf(headEnd)
    if (end < 0 || this.#had.length < end + headEnd.length + this.#bodyBytes) return
    const had = this.#had
    this.#had = Buffer.alloc(0)
    if (!had.subarray(0, good.length).equals(good)) this.#failed?.(new Error(had.toString('latin1').slice(0, 500)))
    else if (had.length > end + headEnd.length + this.#bodyBytes) this.#failed?.(new Error('more than one answer'))
    else this.#done?.()
  }
}

/** @throws what an answer said that was not 200. */
export const load = async ({ at, request, bodyBytes, connections, warmMs, measureMs }: Load): Promise<Loaded> => {
  const bytes = Buffer.from(request)
  const tookMs: number[] = []
  let all = 0
  const fromMs = performance.now() + warmMs
  const untilMs = fromMs + measureMs
  const lane = async (): Promise<void> => {
    const caller = new Caller(at, bytes, bodyBytes)
    for (let nowMs = performance.now(); nowMs < untilMs;) {
      await caller.once()
      const endMs = performance.now()
      all += 1
      if (nowMs >= fromMs) tookMs.push(endMs - nowMs)
      nowMs = endMs
    }
    caller.end()
  }
  await Promise.all(Array.from({ length: connections }, lane))
  return {
    all,
    perSecond: (tookMs.length / measureMs) * 1_000,
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
  }
}
